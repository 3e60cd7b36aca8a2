/*
 * sandlock selftest: makes every escape attempt on the user's own machine, without a sandbox, where it must succeed to prove
 * anything, and inside, where it must not.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "probes.h"

enum {
	LEAKED_FD = 100,        /* a probe looks for a descriptor of the secret folder here */
	PATIENCE_MS = 30000,    /* for one attempt */
	WORDS_MAX = 40,
	VERDICT_MAX = 80,
};

/* Two folders, a process and two listeners outside the sandbox. */
struct field {
	char top[64];
	char scratch[80];
	char secret[80];
	char self[PATH_MAX];    /* this program */
	char pid_text[16];
	char port_text[8];
	pid_t victim;
	int tcp;
	int abstract[3];        /* of each type */
	char **envp;
};

enum mark { MARK_OK, MARK_FAILED, MARK_SKIPPED, MARK_KNOWN, MARK_MAX };

static const char *const marks[MARK_MAX] = {
	[MARK_OK] = "ok", [MARK_FAILED] = "!!", [MARK_SKIPPED] = "--", [MARK_KNOWN] = "..",
};

/* --- the field --- */

static const int abstract_types[] = { SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM };

static int open_listeners(struct field *f)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof in;

	f->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (f->tcp < 0 || bind(f->tcp, (struct sockaddr *)&in, sizeof in) < 0 ||
	    listen(f->tcp, 1000) < 0 || getsockname(f->tcp, (struct sockaddr *)&in, &len) < 0)
		return -errno;
	snprintf(f->port_text, sizeof f->port_text, "%u", (unsigned)ntohs(in.sin_port));
	int name = snprintf(un.sun_path + 1, sizeof un.sun_path - 1, "sandlock-probe-%s", f->port_text);

	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)name);
	for (size_t i = 0; i < ARRAY_SIZE(abstract_types); i++) {
		f->abstract[i] = socket(AF_UNIX, abstract_types[i] | SOCK_CLOEXEC, 0);
		if (f->abstract[i] < 0 || bind(f->abstract[i], (struct sockaddr *)&un, len) < 0)
			return -errno;
		if (abstract_types[i] != SOCK_DGRAM && listen(f->abstract[i], 1000) < 0)
			return -errno;
	}
	return 0;
}

static int start_victim(struct field *f)
{
	f->victim = fork();
	if (f->victim < 0)
		return -errno;
	if (f->victim == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setsid();
		for (;;)
			pause();
	}
	snprintf(f->pid_text, sizeof f->pid_text, "%d", (int)f->victim);
	return 0;
}

static int make_folders(struct field *f)
{
	snprintf(f->top, sizeof f->top, "/tmp/sandlock-selftest.XXXXXX");
	if (!mkdtemp(f->top)) {
		f->top[0] = '\0';
		return -errno;
	}
	snprintf(f->scratch, sizeof f->scratch, "%s/scratch", f->top);
	snprintf(f->secret, sizeof f->secret, "%s/secret", f->top);
	if (mkdir(f->scratch, 0700) < 0 || mkdir(f->secret, 0700) < 0 || chdir(f->scratch) < 0)
		return -errno;
	int fd = open(f->secret, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || dup2(fd, LEAKED_FD) < 0)
		return -errno;
	close(fd);
	return 0;
}

static int field_open(struct field *f)
{
	ssize_t len = readlink("/proc/self/exe", f->self, sizeof f->self - 1);
	int rc = len < 0 ? -errno : 0;

	if (rc == 0)
		rc = make_folders(f);
	if (rc == 0)
		rc = open_listeners(f);
	return rc < 0 ? rc : start_victim(f);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

static void field_close(struct field *f)
{
	if (f->victim > 0) {
		sys_kill(f->victim, SIGKILL);
		waitpid(f->victim, NULL, 0);
	}
	fd_close(&f->tcp);
	for (size_t i = 0; i < ARRAY_SIZE(f->abstract); i++)
		fd_close(&f->abstract[i]);
	close(LEAKED_FD);
	if (f->top[0])
		nftw(f->top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- one attempt --- */

/* What the attempt printed, for as long as it has patience left; it is killed afterwards. */
static size_t listen_to(int fd, char *buf, size_t size)
{
	uint64_t end = sys_now() + (uint64_t)PATIENCE_MS * 1000000;
	size_t len = 0;

	while (len < size - 1) {
		uint64_t now = sys_now();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (now >= end || poll(&p, 1, (int)((end - now) / 1000000) + 1) <= 0)
			break;
		n = sys_read(fd, buf + len, size - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	buf[len] = '\0';
	return len;
}

static int spawn(const struct field *f, char **argv, int output, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, output, 1);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	int rc = posix_spawn(pid, f->self, &actions, &attr, argv, f->envp);

	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -rc;
}

/* The verdict of one attempt: "did it", "refused EACCES", "unavailable"; "no verdict" when it did not say one. */
static void attempt(const struct field *f, char **argv, const char *name, char verdict[VERDICT_MAX])
{
	char said[400];
	int ends[2];
	pid_t pid = -1;
	size_t head = strlen(name);

	snprintf(verdict, VERDICT_MAX, "no verdict");
	if (probes_prepare(f->scratch, f->secret) < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return;
	int rc = spawn(f, argv, ends[1], &pid);

	close(ends[1]);
	if (rc == 0) {
		listen_to(ends[0], said, sizeof said);
		sys_kill(-pid, SIGKILL);
		waitpid(pid, NULL, 0);
		char *end = strchr(said, '\n');

		if (end && strncmp(said, name, head) == 0 && said[head] == ':') {
			*end = '\0';
			snprintf(verdict, VERDICT_MAX, "%.*s", VERDICT_MAX - 1, said + head + 2);
		}
	}
	close(ends[0]);
}

static const char *word_of(const struct field *f, const char *word, size_t len, struct str *buf)
{
	const struct { const char *name; const char *value; } places[] = {
		{ "@SCRATCH@", f->scratch }, { "@SECRET@", f->secret }, { "@PORT@", f->port_text },
	};
	size_t start = buf->len;

	for (size_t i = 0; i < len;) {
		size_t p = 0;

		while (p < ARRAY_SIZE(places) && strncmp(word + i, places[p].name, strlen(places[p].name)) != 0)
			p++;
		if (p < ARRAY_SIZE(places)) {
			str_add(buf, places[p].value);
			i += strlen(places[p].name);
		} else {
			str_addc(buf, word[i++]);
		}
	}
	str_addn(buf, "", 1);
	return buf->rc < 0 ? NULL : buf->buf + start;
}

/* Splits the options at spaces into argv. The builder holds the words; it must not grow between them. */
static size_t add_options(const struct field *f, const char *options, struct str *buf, const char **argv, size_t at)
{
	struct view rest = view_of(options ? options : "");
	bool more = true;

	while (more && at < WORDS_MAX - 14) {
		struct view word = view_cut(&rest, ' ', &more);

		if (word.len)
			argv[at++] = word_of(f, word.ptr, word.len, buf);
	}
	return at;
}

/* The name of the i-th protection when this kernel lacks it; NULL, also after the last. */
static const char *lacking(size_t i)
{
	const char *name = sandlock_protection_name(i);

	return name && sandlock_protection_abi(i) > sandlock_probe("landlock") ? name : NULL;
}

/* An old kernel would start nothing; what it can do is tested. */
static size_t add_degraded(const char **argv, size_t at)
{
	for (size_t i = 0; sandlock_protection_name(i) && at < WORDS_MAX - 16; i++)
		if (lacking(i)) {
			argv[at++] = "--allow-degraded";
			argv[at++] = lacking(i);
		}
	return at;
}

static int say_degraded(void)
{
	AUTO(str) struct str line = STR(1000);

	for (size_t i = 0; sandlock_protection_name(i); i++)
		if (lacking(i))
			str_addf(&line, "%s%s", line.len ? ", " : "This kernel lacks these protections, and the attempts are made "
				 "without them: ", lacking(i));
	if (!line.len)
		return EXIT_DONE;
	str_addc(&line, '\n');
	return out_result(&line);
}

static void attempt_probe(const struct field *f, const struct probe_case *probe, bool inside, char verdict[VERDICT_MAX])
{
	AUTO(str) struct str words = STR(1 << 16);
	const char *argv[WORDS_MAX] = { f->self };
	size_t n = 1;

	if (inside) {
		/* Room for all words at once: their addresses stay. */
		for (size_t i = 0; i < 8192; i++)
			str_addc(&words, ' ');
		str_clear(&words);
		argv[n++] = "run";
		argv[n++] = "-w";
		argv[n++] = f->scratch;
		n = add_degraded(argv, n);
		n = add_options(f, probe->policy, &words, argv, n);
		argv[n++] = "--";
		argv[n++] = f->self;
	}
	const char *const tail[] = { command_selftest_probe.name, probe->name, "--scratch", f->scratch, "--secret", f->secret,
				     "--pid", f->pid_text, "--port", f->port_text };

	for (size_t i = 0; i < ARRAY_SIZE(tail); i++)
		argv[n++] = tail[i];
	argv[n] = NULL;
	attempt(f, (char **)argv, probe->name, verdict);
}

/* --- judging --- */

static bool did_it(const char *verdict)
{
	return strcmp(verdict, "did it") == 0;
}

static enum mark judge(const struct probe_case *probe, const char *outside, const char *inside, const char *changed)
{
	if (probe->flags & PROBE_NOT_COVERED)
		return MARK_KNOWN;
	if (probe->flags & PROBE_SAME_INSIDE)
		return strcmp(outside, inside) == 0 ? MARK_OK : MARK_FAILED;
	if (did_it(inside) || changed || strcmp(inside, "no verdict") == 0)
		return MARK_FAILED;
	if (!did_it(outside))
		return MARK_SKIPPED;
	return strncmp(inside, "refused", 7) == 0 ? MARK_OK : MARK_FAILED;
}

static enum mark test_one(const struct field *f, const struct probe_case *probe, struct str *line)
{
	char outside[VERDICT_MAX] = "";
	char inside[VERDICT_MAX] = "";
	bool runs = !(probe->flags & PROBE_NEEDS_ROOT) || geteuid() == 0;
	enum mark mark = MARK_SKIPPED;
	const char *changed = NULL;

	if (runs) {
		attempt_probe(f, probe, false, outside);
		attempt_probe(f, probe, true, inside);
		changed = probes_changed(f->secret);
		mark = judge(probe, outside, inside, changed);
	}
	str_addf(line, "[%s] %-4s %-58s ", marks[mark], probe->id, probe->title);
	if (!runs)
		str_add(line, "for root only");
	else if (mark == MARK_SKIPPED)
		str_addf(line, "not possible here without a sandbox either: %s", outside);
	else if (mark == MARK_KNOWN)
		str_addf(line, "%s; documented as not covered", inside);
	else if (mark == MARK_FAILED && !changed)
		str_addf(line, "%s inside; %s without", inside, outside);
	else
		str_add(line, changed ? changed : inside);
	str_addc(line, '\n');
	return mark;
}

static bool is_meant(const struct probe_case *probe, const char *only)
{
	return !only || strcmp(only, probe->name) == 0 || strcmp(only, probe->id) == 0;
}

static bool is_known(const char *only)
{
	for (size_t i = 0; i < probe_count(); i++)
		if (is_meant(probe_at(i), only))
			return true;
	return false;
}

static int test_all(const struct field *f, const char *only)
{
	unsigned counts[MARK_MAX] = { 0 };
	AUTO(str) struct str end = STR(400);

	for (size_t i = 0; i < probe_count(); i++) {
		AUTO(str) struct str line = STR(1000);
		const struct probe_case *probe = probe_at(i);

		if (!is_meant(probe, only))
			continue;
		counts[test_one(f, probe, &line)]++;
		int code = out_result(&line);

		if (code != EXIT_DONE)
			return code;
	}
	str_addf(&end, "%u refused, %u not possible here, %u documented as not covered, %u FAILED\n", counts[MARK_OK],
		 counts[MARK_SKIPPED], counts[MARK_KNOWN], counts[MARK_FAILED]);
	int code = out_result(&end);

	return code == EXIT_DONE && counts[MARK_FAILED] ? EXIT_NO : code;
}

static const struct arg_option options[] = { ARG_COMMON_ROWS };

static int run(const struct command *self, const char *const *argv)
{
	struct field field = { .victim = -1, .tcp = -1, .abstract = { -1, -1, -1 }, .envp = environ };
	struct arg_common request = { 0 };
	int code;
	int rest = command_start(self, argv, &request, &code);

	if (rest < 0)
		return code;
	if (argv[rest] && argv[rest + 1]) {
		out_say("usage: sandlock selftest %s", self->synopsis);
		return EXIT_USAGE;
	}
	if (!is_known(argv[rest])) {
		AUTO(str) struct str shown = STR(200);

		out_say("there is no attempt '%s'; sandlock selftest without a word makes them all", out_quote(&shown, argv[rest]));
		return EXIT_USAGE;
	}
	int rc = field_open(&field);

	if (rc < 0) {
		out_say("cannot prepare the attempts: %s", error_text(rc));
		code = EXIT_OWN_FAILURE;
	} else {
		code = say_degraded();
		if (code == EXIT_DONE)
			code = test_all(&field, argv[rest]);
	}
	field_close(&field);
	return code;
}

const struct command command_selftest = {
	.name = "selftest",
	.synopsis = "[NAME|ID]",
	.summary = "Makes every known escape attempt on this machine, without and inside a sandbox",
	.text = "Each attempt is made on files, a process and sockets of its own, in a folder below /tmp. [ok] it was refused inside\n"
		"and succeeds without, [--] it is not possible on this machine anyway, [..] it is documented as not covered, [!!] it\n"
		"succeeded inside. Exit code 1 if any did.\n",
	.options = options, .option_count = ARRAY_SIZE(options), .run = run,
};

static int run_probe(const struct command *self, const char *const *argv)
{
	int argc = 0;

	(void)self;
	while (argv[argc])
		argc++;
	return probe_main(argc, (char **)argv);
}

const struct command command_selftest_probe = {
	.name = "selftest-probe", .synopsis = "NAME", .summary = "Makes one escape attempt", .hidden = true, .run = run_probe,
};
