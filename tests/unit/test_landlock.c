/* Landlock: the plan per ABI, rights per kind of file, and rulesets enforced on the real kernel in forked children. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "confine/landlock.h"
#include "fault.h"

#define NEWEST 7

static struct policy *policy;

static int fresh_policy(void **state)
{
	(void)state;
	policy = calloc(1, sizeof *policy);
	return policy ? 0 : -1;
}

static int drop_policy(void **state)
{
	(void)state;
	free(policy);
	return 0;
}

static void set_port(struct ports *ports, int port)
{
	ports->bits[port / 64] |= 1ULL << (port % 64);
	ports->given = true;
}

static void waive_all(enum strictness how)
{
	for (int i = 0; i < PROTECT_MAX; i++)
		policy->strictness[i] = how;
}

/* --- plan --- */

static void the_newest_abi_activates_every_protection(void **state)
{
	struct landlock_plan plan;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(landlock_plan(policy, NEWEST, &plan, &err), 0);
	for (int i = 0; i < PROTECT_MAX; i++)
		assert_int_equal(plan.state[i], PROTECTION_ACTIVE);
	assert_int_equal(plan.handled_fs, (1ULL << 16) - 1);
	assert_int_equal(plan.handled_net, 3);
	assert_int_equal(plan.scoped, 3);
}

static void a_strict_protection_that_the_abi_lacks_is_named_with_its_flag(void **state)
{
	struct landlock_plan plan = { .handled_fs = 42 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(landlock_plan(policy, 5, &plan, &err), -EOPNOTSUPP);
	assert_int_equal(err.kind, ERR_KERNEL);
	assert_non_null(strstr(err.text, "ABI 5"));
	assert_non_null(strstr(err.text, "signal-scope (ABI 6)"));
	assert_non_null(strstr(err.text, "--allow-degraded signal-scope"));
	assert_non_null(strstr(err.text, "--allow-degraded abstract-unix"));
	assert_null(strstr(err.text, "fs-ioctl-dev"));
	assert_int_equal(plan.handled_fs, 42);
}

/* What is asked about one says nothing of the others: those that the kernel has are active, whatever stops the start. */
static void one_protection_that_is_missing_leaves_the_state_of_the_others(void **state)
{
	(void)state;
	assert_int_equal(landlock_state(policy, PROTECT_FS_REFER, 5), PROTECTION_ACTIVE);
	assert_int_equal(landlock_state(policy, PROTECT_SIGNAL_SCOPE, 5), PROTECTION_UNAVAILABLE);
	policy->strictness[PROTECT_SIGNAL_SCOPE] = DEGRADABLE;
	assert_int_equal(landlock_state(policy, PROTECT_SIGNAL_SCOPE, 5), PROTECTION_DEGRADED);
	policy->strictness[PROTECT_FS_REFER] = DISABLED;
	assert_int_equal(landlock_state(policy, PROTECT_FS_REFER, 5), PROTECTION_DISABLED);
}

static void every_abi_down_to_one_works_when_all_may_degrade(void **state)
{
	static const uint64_t fs[] = { 0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff, 0xffff, 0xffff };

	(void)state;
	waive_all(DEGRADABLE);
	for (int abi = 1; abi <= NEWEST; abi++) {
		struct landlock_plan plan;

		assert_int_equal(landlock_plan(policy, abi, &plan, NULL), 0);
		assert_int_equal(plan.handled_fs, fs[abi]);
		assert_int_equal(plan.handled_net, abi >= 4 ? 3 : 0);
		assert_int_equal(plan.scoped, abi >= 6 ? 3 : 0);
		for (int i = 0; i < PROTECT_MAX; i++)
			assert_int_equal(plan.state[i],
					 abi >= protections[i].abi ? PROTECTION_ACTIVE : PROTECTION_DEGRADED);
	}
}

static void a_disabled_protection_is_not_handled_even_where_the_kernel_has_it(void **state)
{
	struct landlock_plan plan;

	(void)state;
	policy->strictness[PROTECT_FS_TRUNCATE] = DISABLED;
	policy->strictness[PROTECT_SIGNAL_SCOPE] = DISABLED;
	assert_int_equal(landlock_plan(policy, NEWEST, &plan, NULL), 0);
	assert_int_equal(plan.handled_fs & LL_FS_TRUNCATE, 0);
	assert_int_equal(plan.scoped, LL_SCOPE_ABSTRACT_UNIX);
	assert_int_equal(plan.state[PROTECT_FS_TRUNCATE], PROTECTION_DISABLED);
}

static void any_port_leaves_that_right_unhandled(void **state)
{
	struct landlock_plan plan;

	(void)state;
	policy->connect_ports.any = true;
	assert_int_equal(landlock_plan(policy, NEWEST, &plan, NULL), 0);
	assert_int_equal(plan.handled_net, LL_NET_BIND_TCP);
	policy->connect_ports.any = false;
	memset(policy->bind_ports.bits, 0xff, sizeof policy->bind_ports.bits);
	assert_int_equal(landlock_plan(policy, NEWEST, &plan, NULL), 0);
	assert_int_equal(plan.handled_net, LL_NET_CONNECT_TCP);
}

static void net_tcp_is_not_demanded_when_every_port_is_granted(void **state)
{
	struct landlock_plan plan;

	(void)state;
	policy->connect_ports.any = true;
	policy->bind_ports.any = true;
	policy->strictness[PROTECT_FS_IOCTL_DEV] = DEGRADABLE;
	policy->strictness[PROTECT_SIGNAL_SCOPE] = DEGRADABLE;
	policy->strictness[PROTECT_ABSTRACT_UNIX_SCOPE] = DEGRADABLE;
	assert_int_equal(landlock_plan(policy, 3, &plan, NULL), 0);
	assert_int_equal(plan.handled_net, 0);
	assert_int_equal(plan.state[PROTECT_NET_TCP], PROTECTION_DISABLED);
}

static void a_kernel_without_landlock_says_how_to_switch_it_on(void **state)
{
	struct landlock_plan plan;
	struct error err = { 0 };

	(void)state;
	waive_all(DISABLED);
	assert_int_equal(landlock_plan(policy, -EOPNOTSUPP, &plan, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "lsm="));
	assert_null(strstr(err.text, "5.13"));
	err = (struct error){ 0 };
	assert_int_equal(landlock_plan(policy, -ENOSYS, &plan, &err), -ENOSYS);
	assert_non_null(strstr(err.text, "5.13"));
	assert_int_equal(err.kind, ERR_KERNEL);
}

/* --- rights --- */

static void rights_on_a_file_never_contain_a_directory_right(void **state)
{
	struct landlock_plan plan;

	(void)state;
	assert_int_equal(landlock_plan(policy, NEWEST, &plan, NULL), 0);
	for (unsigned access = 0; access < 16; access++) {
		uint64_t dir = landlock_rights(&plan, access, true);
		uint64_t file = landlock_rights(&plan, access, false);

		assert_int_equal(file & ~(LL_FS_EXECUTE | LL_FS_WRITE_FILE | LL_FS_READ_FILE | LL_FS_TRUNCATE |
					  LL_FS_IOCTL_DEV), 0);
		assert_int_equal(file & ~dir, 0);
	}
	assert_int_equal(landlock_rights(&plan, ACCESS_READ, false), LL_FS_READ_FILE);
	assert_int_equal(landlock_rights(&plan, ACCESS_READ | ACCESS_WRITE | ACCESS_EXEC | ACCESS_IOCTL, true), 0xffff);
}

static void rights_stay_within_what_is_handled(void **state)
{
	struct landlock_plan plan;

	(void)state;
	waive_all(DEGRADABLE);
	assert_int_equal(landlock_plan(policy, 1, &plan, NULL), 0);
	assert_int_equal(landlock_rights(&plan, 15, true), 0x1fff);
	assert_int_equal(landlock_rights(&plan, ACCESS_IOCTL, false), 0);
}

/* --- on the real kernel --- */

struct tree {
	char top[64];
	char ro[96], rw[96], file[96], secret[96];
};

static void touch(const char *path)
{
	AUTO(fd) int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0700);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
}

static void make_tree(struct tree *t)
{
	char path[128];

	snprintf(t->top, sizeof t->top, "/tmp/test_landlock.XXXXXX");
	assert_non_null(mkdtemp(t->top));
	snprintf(t->ro, sizeof t->ro, "%s/ro", t->top);
	snprintf(t->rw, sizeof t->rw, "%s/rw", t->top);
	snprintf(t->file, sizeof t->file, "%s/file", t->top);
	snprintf(t->secret, sizeof t->secret, "%s/secret", t->top);
	assert_int_equal(mkdir(t->ro, 0700), 0);
	assert_int_equal(mkdir(t->rw, 0700), 0);
	touch(t->file);
	touch(t->secret);
	snprintf(path, sizeof path, "%s/a", t->ro);
	touch(path);
}

static void remove_tree(const struct tree *t)
{
	char path[128];

	snprintf(path, sizeof path, "%s/a", t->ro);
	unlink(path);
	snprintf(path, sizeof path, "%s/new", t->rw);
	unlink(path);
	rmdir(t->ro);
	rmdir(t->rw);
	unlink(t->file);
	unlink(t->secret);
	assert_int_equal(rmdir(t->top), 0);
}

static void grant(struct grants *g, const char *path, unsigned access)
{
	struct stat st;
	int fd = open(path, O_PATH | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(grants_add_take(g, path, fd, S_ISDIR(st.st_mode), access, "test", NULL), 0);
}

/* An empty ruleset and its rules. On failure there is none. */
static int build(const struct landlock_plan *plan, const struct grants *g, int *out, struct error *err)
{
	AUTO(fd) int ruleset = -1;
	int rc = landlock_create(plan, &ruleset, err);

	if (rc == 0)
		rc = landlock_fill(ruleset, policy, plan, g, err);
	if (rc == 0)
		*out = take_fd(&ruleset);
	return rc;
}

/* Runs `body` in a forked child under the ruleset; its return value is the exit code. */
static int confined(const struct grants *g, int (*body)(const void *arg), const void *arg)
{
	struct landlock_plan plan;
	struct error err = { 0 };
	AUTO(fd) int ruleset = -1;
	int abi = landlock_abi();
	int status;

	if (abi < NEWEST - 1)
		waive_all(DEGRADABLE);
	assert_int_equal(landlock_plan(policy, abi, &plan, &err), 0);
	assert_int_equal(build(&plan, g, &ruleset, &err), 0);
	assert_int_equal(fcntl(ruleset, F_GETFD), FD_CLOEXEC);

	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (sys_landlock_restrict_self(ruleset, 0) < 0)
			_exit(99);
		_exit(body(arg));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int open_errno(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int check_files(const void *arg)
{
	const struct tree *t = arg;
	char path[128];

	snprintf(path, sizeof path, "%s/a", t->ro);
	if (open_errno(path, O_RDONLY) != 0)
		return 1;
	if (open_errno(path, O_WRONLY) != EACCES)
		return 2;
	snprintf(path, sizeof path, "%s/new", t->ro);
	if (open_errno(path, O_CREAT | O_WRONLY) != EACCES)
		return 3;
	snprintf(path, sizeof path, "%s/new", t->rw);
	if (open_errno(path, O_CREAT | O_RDWR) != 0)
		return 4;
	if (open_errno(t->file, O_RDWR | O_TRUNC) != 0)
		return 5;
	if (open_errno(t->secret, O_RDONLY) != EACCES)
		return 6;
	if (open_errno(t->top, O_RDONLY | O_DIRECTORY) != EACCES)
		return 7;
	return 0;
}

static void the_kernel_enforces_grants_on_directories_and_files(void **state)
{
	struct grants g = { 0 };
	struct tree t;

	(void)state;
	make_tree(&t);
	grant(&g, t.ro, ACCESS_READ | ACCESS_EXEC);
	grant(&g, t.rw, ACCESS_READ | ACCESS_WRITE | ACCESS_EXEC | ACCESS_IOCTL);
	grant(&g, t.file, ACCESS_READ | ACCESS_WRITE | ACCESS_EXEC | ACCESS_IOCTL);
	assert_int_equal(confined(&g, check_files, &t), 0);
	grants_fini(&g);
	remove_tree(&t);
}

static int run_true(const void *arg)
{
	(void)arg;
	execl("/bin/true", "true", (char *)NULL);
	return errno == EACCES ? 50 : 51;
}

static void execute_is_separate_from_read(void **state)
{
	struct grants g = { 0 };

	(void)state;
	grant(&g, "/", ACCESS_READ);
	assert_int_equal(confined(&g, run_true, NULL), 50);
	grants_fini(&g);
	grant(&g, "/", ACCESS_READ | ACCESS_EXEC);
	assert_int_equal(confined(&g, run_true, NULL), 0);
	grants_fini(&g);
}

static int use_device(const void *arg)
{
	(void)arg;
	if (open_errno("/dev/null", O_RDWR) != 0)
		return 1;
	return open_errno("/dev/zero", O_RDONLY) == EACCES ? 0 : 2;
}

static void a_device_node_can_be_granted_alone(void **state)
{
	struct grants g = { 0 };

	(void)state;
	grant(&g, "/dev/null", ACCESS_READ | ACCESS_WRITE);
	assert_int_equal(confined(&g, use_device, NULL), 0);
	grants_fini(&g);
}

static int tcp_errno(int port, bool bind_it)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	AUTO(fd) int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = bind_it ? bind(sock, (struct sockaddr *)&to, sizeof to)
			 : connect(sock, (struct sockaddr *)&to, sizeof to);

	return rc < 0 ? errno : 0;
}

static int try_ports(const void *arg)
{
	(void)arg;
	if (tcp_errno(40444, false) != ECONNREFUSED)
		return 1;       /* granted: the kernel goes on to find nobody there */
	if (tcp_errno(40445, false) != EACCES)
		return 2;
	if (tcp_errno(40444, true) != EACCES)
		return 3;
	return tcp_errno(40446, true) != 0 ? 4 : 0;
}

static void tcp_ports_are_closed_but_for_the_granted_ones(void **state)
{
	struct grants g = { 0 };

	(void)state;
	if (landlock_abi() < 4)
		skip();
	set_port(&policy->connect_ports, 40444);
	set_port(&policy->connect_ports, 65535);
	set_port(&policy->bind_ports, 40446);
	set_port(&policy->bind_ports, 0);
	assert_int_equal(confined(&g, try_ports, NULL), 0);
}

static int try_any_connect(const void *arg)
{
	(void)arg;
	if (tcp_errno(40445, false) != ECONNREFUSED)
		return 1;
	return tcp_errno(40446, true) == EACCES ? 0 : 2;
}

static void any_connect_port_opens_connecting_and_keeps_binding_closed(void **state)
{
	struct grants g = { 0 };

	(void)state;
	if (landlock_abi() < 4)
		skip();
	policy->connect_ports.any = true;
	assert_int_equal(confined(&g, try_any_connect, NULL), 0);
}

static int try_client(const void *arg)
{
	return tcp_errno(0, true) == (arg ? 0 : EACCES) && tcp_errno(40446, true) == EACCES ? 0 : 1;
}

static void a_clients_socket_may_have_a_free_port_where_tcp_is_allowed_and_listening_judged(void **state)
{
	struct grants g = { 0 };

	(void)state;
	if (landlock_abi() < 4)
		skip();
	assert_int_equal(confined(&g, try_client, NULL), 0);
	policy->net_facts.protos[NET_TCP] = true;
	assert_int_equal(confined(&g, try_client, policy), 0);
	policy->no_supervisor = true;
	assert_int_equal(confined(&g, try_client, NULL), 0);
	policy->no_supervisor = false;
}

static int signal_parent(const void *arg)
{
	(void)arg;
	if (kill(getpid(), 0) != 0)
		return 1;
	return kill(getppid(), 0) == -1 && errno == EPERM ? 0 : 2;
}

static void the_parent_cannot_be_signalled_from_inside(void **state)
{
	struct grants g = { 0 };

	(void)state;
	if (landlock_abi() < 6)
		skip();
	assert_int_equal(confined(&g, signal_parent, NULL), 0);
}

static struct sockaddr_un abstract_name(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "test_landlock.%d", (int)getppid());
	return name;
}

static int connect_abstract(const void *arg)
{
	const struct sockaddr_un *name = arg;
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);

	if (connect(sock, (const struct sockaddr *)name, sizeof *name) == 0)
		return 1;
	return errno == EPERM ? 0 : 2;
}

static void an_abstract_socket_outside_cannot_be_reached(void **state)
{
	struct sockaddr_un name = abstract_name();
	struct grants g = { 0 };
	AUTO(fd) int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	if (landlock_abi() < 6)
		skip();
	assert_int_equal(bind(listener, (struct sockaddr *)&name, sizeof name), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(confined(&g, connect_abstract, &name), 0);
}

static void a_closed_grant_and_one_without_rights_are_passed_over(void **state)
{
	struct grants g = { 0 };

	(void)state;
	grant(&g, "/usr", ACCESS_READ | ACCESS_EXEC);
	fd_close(&g.at[0].fd);
	grant(&g, "/etc/passwd", 0);
	assert_int_equal(confined(&g, run_true, NULL), 50);
	grants_fini(&g);
}

static void a_rule_that_the_kernel_refuses_names_the_path_and_its_origin(void **state)
{
	struct landlock_plan plan;
	struct grants g = { 0 };
	struct error err = { 0 };
	int ruleset = -1;
	int ends[2];

	(void)state;
	waive_all(DEGRADABLE);
	assert_int_equal(landlock_plan(policy, landlock_abi(), &plan, NULL), 0);
	assert_int_equal(pipe(ends), 0);
	close(ends[1]);
	assert_int_equal(grants_add_take(&g, "/odd/pipe", ends[0], false, ACCESS_READ, "--fs-read", NULL), 0);
	assert_true(build(&plan, &g, &ruleset, &err) < 0);
	assert_int_equal(ruleset, -1);
	assert_int_equal(err.kind, ERR_KERNEL);
	assert_non_null(strstr(err.text, "--fs-read"));
	assert_non_null(strstr(err.text, "/odd/pipe"));
	grants_fini(&g);
}

static void every_failure_while_building_leaks_nothing(void **state)
{
	struct landlock_plan plan;
	struct grants g = { 0 };

	(void)state;
	waive_all(DEGRADABLE);
	set_port(&policy->connect_ports, 443);
	assert_int_equal(landlock_plan(policy, landlock_abi(), &plan, NULL), 0);
	grant(&g, "/usr", ACCESS_READ);
	grant(&g, "/etc", ACCESS_READ);

	int before = fault_open_fds();
	for (int n = 0;; n++) {
		struct error err = { 0 };
		int ruleset = -1;

		fault_arm(n);
		int rc = build(&plan, &g, &ruleset, &err);
		if (!fault_fired()) {
			assert_int_equal(rc, 0);
			fd_close(&ruleset);
			assert_int_equal(n, 4);
			break;
		}
		assert_true(rc < 0);
		assert_int_equal(ruleset, -1);
		assert_true(err.kind != ERR_NONE);
		assert_int_equal(fault_open_fds(), before);
	}
	grants_fini(&g);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fresh_policy, drop_policy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_newest_abi_activates_every_protection),
		CASE(a_strict_protection_that_the_abi_lacks_is_named_with_its_flag),
		CASE(one_protection_that_is_missing_leaves_the_state_of_the_others),
		CASE(every_abi_down_to_one_works_when_all_may_degrade),
		CASE(a_disabled_protection_is_not_handled_even_where_the_kernel_has_it),
		CASE(any_port_leaves_that_right_unhandled),
		CASE(net_tcp_is_not_demanded_when_every_port_is_granted),
		CASE(a_kernel_without_landlock_says_how_to_switch_it_on),
		CASE(rights_on_a_file_never_contain_a_directory_right),
		CASE(rights_stay_within_what_is_handled),
		CASE(the_kernel_enforces_grants_on_directories_and_files),
		CASE(execute_is_separate_from_read),
		CASE(a_device_node_can_be_granted_alone),
		CASE(tcp_ports_are_closed_but_for_the_granted_ones),
		CASE(a_clients_socket_may_have_a_free_port_where_tcp_is_allowed_and_listening_judged),
		CASE(any_connect_port_opens_connecting_and_keeps_binding_closed),
		CASE(the_parent_cannot_be_signalled_from_inside),
		CASE(an_abstract_socket_outside_cannot_be_reached),
		CASE(a_closed_grant_and_one_without_rights_are_passed_over),
		CASE(a_rule_that_the_kernel_refuses_names_the_path_and_its_origin),
		CASE(every_failure_while_building_leaks_nothing),
	};

	return cmocka_run_group_tests_name("landlock", tests, NULL, NULL);
}
