/* Virtual files: what each call gets for what was found, with no kernel behind it but memory files. */
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "fake_kernel.h"
#include "fault.h"
#include "features/registry.h"

#define HOST_DEV 7

/* What a path leads to, in the fake. */
struct thing {
	const char *path;       /* as the caller says it */
	const char *real;       /* as path_of says it */
	uint64_t ino;
	uint32_t mode;
	bool procfs, sysfs;
	int error;
};

static const struct thing things[] = {
	{ "/etc/hosts", "/etc/hosts", 10, S_IFREG, false, false, 0 },
	{ "link", "/etc/hosts", 10, S_IFREG, false, false, 0 },
	{ "hard link", "/srv/hard", 10, S_IFREG, false, false, 0 },
	{ "other proc", "/srv/proc/50/status", 70, S_IFREG, true, false, 0 },
	{ "new", "/etc/hosts", 99, S_IFREG, false, false, 0 },
	{ "other", "/srv/other", 20, S_IFREG, false, false, 0 },
	{ "/etc", "/etc", 30, S_IFDIR, false, false, 0 },
	{ "dir", "/srv", 31, S_IFDIR, false, false, 0 },
	{ "tcp", "/proc/50/net/tcp", 40, S_IFREG, true, false, 0 },
	{ "arp", "/proc/50/net/arp", 41, S_IFREG, true, false, 0 },
	{ "snmp", "/proc/50/net/snmp", 42, S_IFREG, true, false, 0 },
	{ "netdir", "/proc/50/net", 43, S_IFDIR, true, false, 0 },
	{ "status", "/proc/50/status", 44, S_IFREG, true, false, 0 },
	{ "mem", "/proc/50/mem", 45, S_IFREG, true, false, 0 },
	{ "task attr", "/proc/50/task/50/attr/current", 45, S_IFREG, true, false, 0 },
	{ "foreign", "/proc/51/status", 46, S_IFREG, true, false, 0 },
	{ "eth0", "/sys/devices/pci/net/eth0/mtu", 47, S_IFREG, false, true, 0 },
	{ "class", "/sys/class/net", 48, S_IFDIR, false, true, 0 },
	{ "block", "/sys/class/block", 49, S_IFDIR, false, true, 0 },
	{ "later", "/later/file", 60, S_IFREG, false, false, 0 },
	{ "written", "/later/w/file", 61, S_IFREG, false, false, 0 },
	{ "told", "/usr/file", 62, S_IFREG, false, false, 0 },
	{ "entry", "/later/entry/file", 63, S_IFREG, false, false, 0 },
	{ "fifo", "/proc/50/fifo", 50, S_IFIFO, true, false, 0 },
	{ "gone", NULL, 0, 0, false, false, -ENOENT },
	{ "wait", NULL, 0, 0, false, false, MUST_WAIT },
};

static const struct thing *found[1024];
static bool missing_hosts;
static int reopened;
static struct where asked;

static int own_locate(const struct call *call, const struct where *where, struct located *out)
{
	(void)call;
	asked = *where;
	*out = (struct located){ .fd = -1, .parent = -1 };
	for (size_t i = 0; i < ARRAY_SIZE(things); i++) {
		const struct thing *t = &things[i];

		if (strcmp(t->path, where->path) != 0)
			continue;
		if (t->error == -ENOENT && where->tell_missing) {
			out->parent = open("/dev/null", O_RDONLY | O_CLOEXEC);
			found[out->parent] = &things[6];
			memcpy(out->name, "hosts", 6);
		}
		if (t->error)
			return t->error;
		out->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		found[out->fd] = t;
		out->dev = HOST_DEV;
		out->ino = t->ino;
		out->mode = t->mode;
		out->procfs = t->procfs;
		out->sysfs = t->sysfs;
		return 0;
	}
	return -EACCES;
}

/* A path that begins with "/plain" needs no look. */
static int own_plain_name(const struct call *call, int dirfd, const char *path, char *out)
{
	(void)call;
	(void)dirfd;
	if (strncmp(path, "/plain", 6) != 0)
		return -ELOOP;
	snprintf(out, PATH_MAX, "%s", path + 6);
	return 0;
}

static int own_path_of(const struct call *call, int pinned, char *out)
{
	(void)call;
	snprintf(out, PATH_MAX, "%s", found[pinned]->real);
	return 0;
}

static int barred;              /* what own_may_open says */

static int own_may_open(const struct call *call, int pinned, int flags)
{
	(void)call;
	(void)pinned;
	(void)flags;
	return barred;
}

static int own_reopen(const struct call *call, int pinned, int flags)
{
	(void)call;
	(void)pinned;
	reopened = flags;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool own_in_tree(const struct call *call, pid_t pid)
{
	(void)call;
	return pid == 50;
}

static int own_read_proc(const struct call *call, const char *tail, struct str *out)
{
	(void)call;
	str_addf(out, "%s\n", tail);
	return out->rc;
}

static int own_tree_sockets(const struct call *call, uint64_t **inodes, size_t *count)
{
	(void)call;
	*inodes = NULL;
	*count = 0;
	return 0;
}

/* --- the world --- */

static const char *says;

static int say(void *unused, struct str *out)
{
	(void)unused;
	str_add(out, says);
	return out->rc;
}

static struct policy policy;
static struct virtuals virtuals;
static struct kernel_ops ops;
static struct fake fake;
static void *state;
static int before;

static int setup(void **unused)
{
	static const struct vfile files[] = { { .path = "/etc/hosts", .content = say } };
	static struct file_id listed[] = { { HOST_DEV, 30 } };
	static struct grant granted[] = {
		{ .path = (char *)"/proc", .len = 5, .is_dir = true, .access = ACCESS_READ, .origin = (char *)"-r" },
		{ .path = (char *)"/later", .len = 6, .is_dir = true, .access = ACCESS_READ, .withheld = ACCESS_READ,
		  .origin = (char *)"-r" },
		{ .path = (char *)"/later/w", .len = 8, .is_dir = true, .access = ACCESS_READ | ACCESS_WRITE,
		  .withheld = ACCESS_READ, .origin = (char *)"-w" },
		{ .path = (char *)"/usr", .len = 4, .is_dir = true, .access = ACCESS_READ, .origin = (char *)"-r" },
		{ .path = (char *)"/sys", .len = 4, .is_dir = true, .access = ACCESS_READ | ACCESS_WRITE, .origin = (char *)"-w" },
	};
	static struct grant entries[] = {
		{ .path = (char *)"/later/entry", .len = 12, .is_dir = true, .access = ACCESS_READ, .origin = (char *)"-r" },
	};
	static const struct grants grants = { .at = granted, .len = ARRAY_SIZE(granted) };

	(void)unused;
	policy = (struct policy){ .virtual_kinds = 15 };
	virtuals = (struct virtuals){
		.kinds = 15,
		.file = { { .path = "/etc/hosts", .id = { { HOST_DEV, 10 } }, .ids = missing_hosts ? 0 : 1 } },
		.files = 1,
		.net_names = ~(1ULL << 5),      /* without arp */
		.listed = listed, .listed_len = 1,
		.entries = { .at = entries, .len = 1 },
	};
	fake = (struct fake){ 0 };
	ops = fake_ops;
	ops.locate = own_locate;
	ops.path_of = own_path_of;
	ops.plain_name = own_plain_name;
	ops.reopen = own_reopen;
	ops.may_open = own_may_open;
	ops.in_tree = own_in_tree;
	ops.read_proc = own_read_proc;
	ops.tree_sockets = own_tree_sockets;
	says = "127.0.0.1 localhost\n";
	reopened = -1;
	before = fault_open_fds();
	const struct feature_env env = {
		.policy = &policy, .virtuals = &virtuals, .grants = &grants, .vfiles = files, .vfile_count = 1,
	};
	return feature_vfiles.start(&env, &state, NULL);
}

static int teardown(void **unused)
{
	(void)unused;
	feature_vfiles.stop(state);
	assert_int_equal(fault_open_fds(), before);
	return 0;
}

static struct verdict ask(const char *name, const char *path, int path_arg, const uint64_t raw[6])
{
	struct call call = fake_call(&fake, name, raw);

	call.kernel = &ops;
	fake_path(&call, path_arg, path);
	return fake_ask(&feature_vfiles, state, &call);
}

static struct verdict ask_open(const char *path, uint64_t flags)
{
	return ask("openat", path, 1, (const uint64_t[6]){ (uint32_t)AT_FDCWD, 1, flags });
}

static void assert_errno(struct verdict v, int code)
{
	assert_int_equal(v.kind, V_ERRNO);
	assert_int_equal(v.value, code);
}

/* --- opening --- */

static void the_file_is_recognised_by_what_it_is(void **unused)
{
	static const char *const spellings[] = { "/etc/hosts", "link", "hard link", "new" };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
		char text[64] = "";
		struct verdict v = ask_open(spellings[i], O_RDONLY | O_CLOEXEC);

		assert_int_equal(v.kind, V_GIVE_FD);
		assert_int_equal(v.fd_flags, O_CLOEXEC);
		AUTO(fd) int fd = (int)v.value;
		assert_int_equal(read(fd, text, sizeof text), strlen(says));
		assert_string_equal(text, says);
	}
	assert_int_equal(ask_open("other", O_RDONLY).kind, V_CONTINUE);
	assert_int_equal(ask_open("dir", O_RDONLY).kind, V_CONTINUE);
	assert_int_equal(ask_open("nowhere", O_RDONLY).kind, V_CONTINUE);
	assert_int_equal(ask_open("gone", O_RDONLY).kind, V_CONTINUE);
	assert_int_equal(ask_open("wait", O_RDONLY).kind, V_LATER);
}

static void open_flags_mean_what_they_mean_for_a_file(void **unused)
{
	static const struct {
		uint64_t flags;
		int error;
	} cases[] = {
		{ O_WRONLY, EACCES }, { O_RDWR, EACCES }, { O_RDONLY | O_TRUNC, EACCES }, { O_DIRECTORY, ENOTDIR },
		{ O_CREAT | O_EXCL, EEXIST }, { O_CREAT, 0 }, { O_NOFOLLOW, 0 }, { O_PATH, 0 },
		{ O_PATH | O_DIRECTORY, ENOTDIR },
		{ O_CREAT | O_WRONLY, EACCES }, { O_TMPFILE | O_RDWR, ENOTDIR }, { O_NONBLOCK, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct verdict v = ask_open("/etc/hosts", cases[i].flags);

		if (cases[i].error) {
			assert_errno(v, cases[i].error);
			continue;
		}
		assert_int_equal(v.kind, V_GIVE_FD);
		assert_int_equal(v.fd_flags, 0);
		AUTO(fd) int fd = (int)v.value;
		assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, cases[i].flags & O_NONBLOCK);
	}
	assert_errno(ask("creat", "/etc/hosts", 0, (const uint64_t[6]){ 1, 0644 }), EACCES);
	assert_string_equal(fake.target, "/etc/hosts");
	assert_string_equal(fake.operation, "write");
	assert_string_equal(fake.flag, "");
	ask_open("/etc/hosts", O_NOFOLLOW | O_WRONLY);
	assert_true(asked.no_follow);
	ask_open("/etc/hosts", O_WRONLY);
	assert_false(asked.no_follow);
}

static void openat2_is_walked_as_it_asks_and_odd_ones_are_the_kernels(void **unused)
{
	uint64_t how[3] = { O_WRONLY, 0, 16 };
	const uint64_t whole[6] = { (uint32_t)AT_FDCWD, 1, 1, sizeof how }, cut[6] = { (uint32_t)AT_FDCWD, 1, 1, 8 };
	const uint64_t null[6] = { (uint32_t)AT_FDCWD, 1, 0, sizeof how };

	(void)unused;
	memcpy(fake.memory, how, sizeof how);
	assert_errno(ask("openat2", "/etc/hosts", 1, whole), EACCES);
	assert_int_equal(asked.resolve, 16);
	assert_int_equal(ask("openat2", "/etc/hosts", 1, cut).kind, V_CONTINUE);
	assert_int_equal(ask("openat2", "/etc/hosts", 1, null).kind, V_CONTINUE);
	how[0] = 1ULL << 40;
	memcpy(fake.memory, how, sizeof how);
	assert_int_equal(ask("openat2", "/etc/hosts", 1, whole).kind, V_CONTINUE);
	assert_int_equal(ask("openat2", NULL, 1, whole).kind, V_CONTINUE);
}

static void the_view_of_the_network_is_closed(void **unused)
{
	(void)unused;
	struct verdict v = ask_open("tcp", O_RDONLY);
	int fd = (int)v.value;
	assert_int_equal(v.kind, V_GIVE_FD);
	fd_close(&fd);
	assert_errno(ask_open("tcp", O_RDWR), EACCES);
	assert_errno(ask_open("snmp", O_RDONLY), ENOENT);
	assert_errno(ask_open("netdir", O_RDONLY | O_DIRECTORY), EACCES);
	assert_string_equal(fake.operation, "read");
	assert_int_equal(ask_open("netdir", O_PATH).kind, V_CONTINUE);
	/* not granted: Landlock refuses */
	assert_int_equal(ask_open("arp", O_RDONLY).kind, V_CONTINUE);
	assert_errno(ask_open("eth0", O_RDONLY), ENOENT);
	assert_errno(ask_open("class", O_RDONLY), EACCES);
}

static void what_landlock_is_not_told_is_opened_for_reading(void **unused)
{
	static const char *const opened[] = { "/etc", "status", "block" };
	static const char *const kernels[] = { "mem", "task attr", "foreign", "fifo", "other proc" };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(opened); i++) {
		struct verdict v = ask_open(opened[i], O_RDONLY | O_NONBLOCK);

		assert_int_equal(v.kind, V_GIVE_FD);
		assert_int_equal(reopened, O_RDONLY | O_NONBLOCK);
		AUTO(fd) int fd = (int)v.value;
		assert_int_equal(ask_open(opened[i], O_WRONLY).kind, V_CONTINUE);
		assert_int_equal(ask_open(opened[i], O_PATH).kind, V_CONTINUE);
		(void)fd;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++)
		assert_int_equal(ask_open(kernels[i], O_RDONLY).kind, V_CONTINUE);
	assert_int_equal(ask_open("status", O_RDWR).kind, V_CONTINUE);
	struct verdict both = ask_open("block", O_RDWR);
	assert_int_equal(both.kind, V_GIVE_FD);
	AUTO(fd) int fd = (int)both.value;
	(void)fd;
}

static void what_appeared_in_a_folder_taken_apart_is_opened_as_granted(void **unused)
{
	(void)unused;
	struct verdict v = ask_open("later", O_RDONLY);
	AUTO(fd) int one = (int)v.value;
	assert_int_equal(v.kind, V_GIVE_FD);
	assert_int_equal(ask_open("later", O_RDWR).kind, V_CONTINUE);
	v = ask_open("written", O_RDWR | O_CREAT);
	AUTO(fd) int two = (int)v.value;
	assert_int_equal(v.kind, V_GIVE_FD);
	assert_int_equal(reopened & O_ACCMODE, O_RDWR);
	assert_int_equal(ask_open("written", O_RDWR | O_CREAT | O_EXCL).kind, V_CONTINUE);
	/* what the kernel was told of is its own matter */
	assert_int_equal(ask_open("told", O_RDONLY).kind, V_CONTINUE);
	assert_int_equal(ask_open("entry", O_RDONLY).kind, V_CONTINUE);
	(void)one;
	(void)two;
}

static void what_its_words_tell_is_not_looked_at(void **unused)
{
	static const struct {
		const char *path;
		bool looked_at;
	} cases[] = {
		{ "/plain/usr/file", false }, { "/plain/later/entry/x", false }, { "/plain/nowhere", false },
		{ "/plain/later/file", true }, { "told", true },
	};

	(void)unused;
	for (int names = 0; names < 2; names++) {
		virtuals.kinds = names ? 15 : 14;
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			asked.path = NULL;
			assert_int_equal(ask_open(cases[i].path, O_RDONLY).kind, V_CONTINUE);
			if ((asked.path != NULL) != (names || cases[i].looked_at))
				fail_msg("%s", cases[i].path);
		}
	}
}

static void explain_looks_on_after_us(void **unused)
{
	(void)unused;
	feature_vfiles.stop(state);
	policy.explain = true;
	const struct grants none = { 0 };
	const struct feature_env env = { .policy = &policy, .virtuals = &virtuals, .grants = &none };
	assert_int_equal(feature_vfiles.start(&env, &state, NULL), 0);
	assert_int_equal(ask_open("other", O_RDONLY).kind, V_NEXT);
	assert_int_equal(ask("truncate", "other", 0, (const uint64_t[6]){ 1, 0 }).kind, V_NEXT);
	assert_int_equal(ask("stat", "other", 0, (const uint64_t[6]){ 1, 1 }).kind, V_CONTINUE);
	/* a file that nobody gave content */
	assert_errno(ask_open("/etc/hosts", O_RDONLY), EACCES);
}

static int setup_missing(void **unused)
{
	missing_hosts = true;
	return setup(unused);
}

static int teardown_missing(void **unused)
{
	missing_hosts = false;
	return teardown(unused);
}

static void a_file_that_the_host_has_not_got_is_there(void **unused)
{
	(void)unused;
	struct verdict v = ask_open("gone", O_RDONLY);
	assert_int_equal(v.kind, V_GIVE_FD);
	AUTO(fd) int fd = (int)v.value;
	(void)fd;
	assert_true(asked.tell_missing);
}

/* --- asking --- */

static void stat_says_what_the_descriptor_says(void **unused)
{
	struct stat inside, outside;

	(void)unused;
	AUTO(fd) int fd = (int)ask_open("/etc/hosts", O_RDONLY).value;
	assert_int_equal(fstat(fd, &inside), 0);
	assert_int_equal(inside.st_size, strlen(says));
	assert_int_equal(ask("newfstatat", "link", 1, (const uint64_t[6]){ (uint32_t)AT_FDCWD, 1, 2, 0 }).kind, V_RETURN);
	memcpy(&outside, fake.out, sizeof outside);
	assert_memory_equal(&inside, &outside, sizeof inside);
	const uint64_t raw[6] = { (uint32_t)AT_FDCWD, 1, 0, 0xfff, 3 };
	assert_int_equal(ask("statx", "link", 1, raw).kind, V_RETURN);
	struct statx stx;
	memcpy(&stx, fake.out, sizeof stx);
	assert_int_equal(stx.stx_ino, inside.st_ino);
	assert_int_equal(stx.stx_size, inside.st_size);
	assert_errno(ask("newfstatat", "link", 1, (const uint64_t[6]){ (uint32_t)AT_FDCWD, 1, 0, 0 }), EFAULT);
	/* another content is another file, and the old descriptor keeps the old one */
	says = "changed\n";
	AUTO(fd) int again = (int)ask_open("/etc/hosts", O_RDONLY).value;
	assert_int_equal(fstat(again, &outside), 0);
	assert_int_equal(outside.st_size, 8);
	assert_int_not_equal(outside.st_ino, inside.st_ino);
	assert_int_equal(ask("newfstatat", "other", 1, (const uint64_t[6]){ (uint32_t)AT_FDCWD, 1, 2, 0 }).kind, V_CONTINUE);
	assert_int_equal(ask("newfstatat", "tcp", 1, (const uint64_t[6]){ (uint32_t)AT_FDCWD, 1, 2, 0 }).kind, V_CONTINUE);
	assert_int_equal(ask("newfstatat", "wait", 1, (const uint64_t[6]){ (uint32_t)AT_FDCWD, 1, 2, 0 }).kind, V_LATER);
}

static void access_and_readlink_see_a_plain_readable_file(void **unused)
{
	static const struct {
		uint64_t mode;
		int error;
	} cases[] = { { F_OK, 0 }, { R_OK, 0 }, { W_OK, EACCES }, { X_OK, EACCES }, { R_OK | W_OK, EACCES }, { 8, EINVAL } };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct verdict v = ask("faccessat", "/etc/hosts", 1,
				       (const uint64_t[6]){ (uint32_t)AT_FDCWD, 1, cases[i].mode });

		assert_int_equal(v.kind, cases[i].error ? V_ERRNO : V_RETURN);
		assert_int_equal(v.value, cases[i].error);
	}
	assert_errno(ask("readlinkat", "/etc/hosts", 1, (const uint64_t[6]){ (uint32_t)AT_FDCWD, 1, 1, 9 }), EINVAL);
	assert_true(asked.no_follow);
	assert_errno(ask("truncate", "/etc/hosts", 0, (const uint64_t[6]){ 1, 0 }), EACCES);
	assert_int_equal(fake.refusals, 1);
	assert_int_equal(ask("readlinkat", "other", 1, (const uint64_t[6]){ (uint32_t)AT_FDCWD, 1, 1, 9 }).kind, V_CONTINUE);
}

static void a_fault_gives_an_error_and_leaks_nothing(void **unused)
{
	static const char *const paths[] = { "/etc/hosts", "tcp" };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		for (int n = 0;; n++) {
			setup(NULL);
			fault_arm(n);
			struct verdict v = ask_open(paths[i], O_RDONLY);
			bool fired = fault_fired();

			if (v.kind == V_GIVE_FD) {
				int fd = (int)v.value;
				fd_close(&fd);
			} else {
				assert_errno(v, ENOMEM);
			}
			teardown(NULL);
			if (!fired) {
				assert_int_equal(v.kind, V_GIVE_FD);
				break;
			}
		}
}

static void rows_depend_on_what_is_virtual(void **unused)
{
	const struct policy none = { 0 }, net = { .virtual_kinds = VIRTUAL_NET };
	const struct policy written = { .virtual_kinds = VIRTUAL_NET | VIRTUAL_WRITES };
	const struct policy alone = { .virtual_kinds = VIRTUAL_NET, .no_supervisor = true };
	size_t always = 0, some = 0, all = 0;

	(void)unused;
	assert_false(feature_vfiles.wanted(&none));
	assert_false(feature_vfiles.wanted(&alone));
	assert_true(feature_vfiles.wanted(&net));
	for (size_t i = 0; i < feature_vfiles.handler_count; i++) {
		const struct handler *h = &feature_vfiles.handlers[i];

		assert_true(h->flags & H_MAY_CONTINUE);
		always += !h->when;
		some += h->when && h->when(&net);
		all += h->when && h->when(&written);
		if (h->when && h->when(&net))           /* opens that do not write */
			assert_true(h->conditional && h->test_op == ARG_MASK_NE && h->test_value == O_WRONLY);
		if (h->when && h->when(&written))
			assert_false(h->conditional);
	}
	assert_int_equal(always, 1);            /* openat2: its flags are in memory */
	assert_int_equal(some, 2);
	assert_int_equal(all, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_file_is_recognised_by_what_it_is),
		TEST(open_flags_mean_what_they_mean_for_a_file),
		TEST(openat2_is_walked_as_it_asks_and_odd_ones_are_the_kernels),
		TEST(the_view_of_the_network_is_closed),
		TEST(what_landlock_is_not_told_is_opened_for_reading),
		TEST(what_appeared_in_a_folder_taken_apart_is_opened_as_granted),
		TEST(what_its_words_tell_is_not_looked_at),
		TEST(explain_looks_on_after_us),
		cmocka_unit_test_setup_teardown(a_file_that_the_host_has_not_got_is_there, setup_missing, teardown_missing),
		TEST(stat_says_what_the_descriptor_says),
		TEST(access_and_readlink_see_a_plain_readable_file),
		cmocka_unit_test(a_fault_gives_an_error_and_leaks_nothing),
		cmocka_unit_test(rows_depend_on_what_is_virtual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
