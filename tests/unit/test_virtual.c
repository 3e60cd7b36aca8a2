/* What is virtual as data: paths of procfs and sysfs, the network view, sealed memory files, and the plan for grants. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/memfile.h"
#include "base/sys.h"
#include "fault.h"
#include "policy/netview.h"
#include "policy/virtual.h"
#include "run/resolve.h"
#include "run/virtual.h"

static void a_path_of_procfs_tells_task_and_net(void **unused)
{
	static const struct {
		const char *path;
		int pid;
		const char *rest;
		const char *net;
	} cases[] = {
		{ "/proc/12", 12, "", NULL },
		{ "/proc/12/status", 12, "status", NULL },
		{ "/proc/12/net", 12, "net", "" },
		{ "/proc/12/net/tcp", 12, "net/tcp", "tcp" },
		{ "/proc/12/net/stat/rt_cache", 12, "net/stat/rt_cache", "stat/rt_cache" },
		{ "/proc/12/task/13/net/tcp", 12, "task/13/net/tcp", "tcp" },
		{ "/proc/12/task/net/tcp", 12, "task/net/tcp", NULL },
		{ "/proc/12/ns/net", 12, "ns/net", NULL },
		{ "/proc/12/network", 12, "network", NULL },
		{ "/srv/7/proc/12/net", 12, "net", "" },
		{ "/proc/net", 0, NULL, NULL },
		{ "/proc/12x/net", 0, NULL, NULL },
		{ "/proc/sys/net", 0, NULL, NULL },
		{ "/proc/99999999999/net", 0, NULL, NULL },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct task_place place = { 0 };

		assert_int_equal(virtual_task_place(cases[i].path, &place), cases[i].pid != 0);
		if (!cases[i].pid)
			continue;
		assert_int_equal(place.pid, cases[i].pid);
		assert_string_equal(place.rest, cases[i].rest);
		assert_int_equal(place.net != NULL, cases[i].net != NULL);
		if (place.net)
			assert_string_equal(place.net, cases[i].net);
	}
}

static void only_the_loopback_is_not_hidden(void **unused)
{
	static const struct {
		const char *path;
		enum hidden hidden;
	} cases[] = {
		{ "/sys/class/net", HIDDEN_LIST },
		{ "/sys/class/net/eth0", HIDDEN_GONE },
		{ "/sys/class/network", HIDDEN_NOT },
		{ "/sys/devices/virtual/net", HIDDEN_LIST },
		{ "/sys/devices/virtual/net/lo", HIDDEN_NOT },
		{ "/sys/devices/virtual/net/lo/mtu", HIDDEN_NOT },
		{ "/sys/devices/virtual/net/lo/statistics", HIDDEN_LIST },
		{ "/sys/devices/virtual/net/lo/statistics/rx_bytes", HIDDEN_LIST },
		{ "/sys/devices/virtual/net/lo0", HIDDEN_GONE },
		{ "/sys/devices/pci0000:00/0000:00:03.0/virtio0/net", HIDDEN_LIST },
		{ "/sys/devices/pci0000:00/0000:00:03.0/virtio0/net/eth0/address", HIDDEN_GONE },
		{ "/sys/devices/pci0000:00/0000:00:03.0/virtio0/net/lo/address", HIDDEN_GONE },
		{ "/sys/devices/netlike/x", HIDDEN_NOT },
		{ "/sys/module/net/x", HIDDEN_NOT },
		{ "/proc/sys/net", HIDDEN_NOT },
		{ "/proc/sys/net/core/somaxconn", HIDDEN_NOT },
		{ "/proc/sys/net/ipv4/conf", HIDDEN_LIST },
		{ "/proc/sys/net/ipv4/conf/all/forwarding", HIDDEN_NOT },
		{ "/proc/sys/net/ipv6/conf/lo/mtu", HIDDEN_NOT },
		{ "/proc/sys/net/ipv6/neigh/eth0/x", HIDDEN_GONE },
		{ "/proc/cpuinfo", HIDDEN_NOT },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (virtual_hidden(cases[i].path) != cases[i].hidden)
			fail_msg("%s: %d", cases[i].path, virtual_hidden(cases[i].path));
}

static void an_object_is_known_by_number_and_by_path(void **unused)
{
	struct virtuals v = {
		.file = { { .path = "/etc/hosts", .id = { { 1, 2 }, { 1, 3 } }, .ids = 2 },
			  { .path = "/etc/resolv.conf", .id = { { 1, 9 } }, .ids = 1 } },
		.files = 2,
	};
	static const uint64_t inodes[] = { 9, 2, 7 };

	(void)unused;
	v.file[1].target = mem_strdup("/run/stub.conf");
	assert_int_equal(virtual_by_id(&v, (struct file_id){ 1, 3 }), 0);
	assert_int_equal(virtual_by_id(&v, (struct file_id){ 1, 9 }), 1);
	assert_int_equal(virtual_by_id(&v, (struct file_id){ 2, 9 }), -1);
	assert_int_equal(virtual_by_path(&v, "/run/stub.conf"), 1);
	assert_int_equal(virtual_by_path(&v, "/etc/host"), -1);
	assert_false(virtual_is_listed(&v, (struct file_id){ 1, 2 }));
	for (size_t i = 0; i < ARRAY_SIZE(inodes); i++)
		assert_int_equal(VEC_PUSH(v.listed, v.listed_cap, v.listed_len, ((struct file_id){ 1, inodes[i] })), 0);
	virtual_sort(&v);
	for (size_t i = 0; i < ARRAY_SIZE(inodes); i++)
		assert_true(virtual_is_listed(&v, (struct file_id){ 1, inodes[i] }));
	assert_false(virtual_is_listed(&v, (struct file_id){ 2, 7 }));
	virtuals_fini(&v);
}

/* --- the network view --- */

static const char tcp_table[] =
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	"   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100\n"
	"   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100\n"
	"   2: 0100007F:1F91 0100007F:0016 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0\n"
	"   3: nonsense\n";
static const char unix_table[] =
	"Num       RefCount Protocol Flags    Type St Inode Path\n"
	"00000000: 00000002 00000000 00010000 0001 01 4712 /run/mine\n"
	"00000000: 00000002 00000000 00010000 0001 01 99 /run/4712\n";

static int table(const void *fails, const char *name, struct str *out)
{
	if (fails)
		return *(const int *)fails;
	str_add(out, strcmp(name, "net/unix") == 0 ? unix_table : tcp_table);
	return out->rc;
}

static int sockets(const void *unused, uint64_t **inodes, size_t *count)
{
	(void)unused;
	*inodes = mem_alloc(2 * sizeof **inodes);
	if (!*inodes)
		return -ENOMEM;
	(*inodes)[0] = 4712;
	(*inodes)[1] = 5000;
	*count = 2;
	return 0;
}

static const struct netview_source source = { .table = table, .sockets = sockets };

static void tables_keep_the_lines_of_own_sockets(void **unused)
{
	AUTO(str) struct str out = STR(4096);

	(void)unused;
	assert_int_equal(netview_content(&source, netview_index("tcp"), &out), 0);
	assert_non_null(strstr(out.buf, "1F90"));
	assert_null(strstr(out.buf, "4711"));
	assert_null(strstr(out.buf, "1F91"));
	assert_null(strstr(out.buf, "nonsense"));
	assert_memory_equal(out.buf, tcp_table, 80);
	str_clear(&out);
	assert_int_equal(netview_content(&source, netview_index("unix"), &out), 0);
	assert_non_null(strstr(out.buf, "/run/mine"));
	assert_null(strstr(out.buf, "/run/4712"));
	str_clear(&out);
	assert_int_equal(netview_content(&source, netview_index("sockstat"), &out), 0);
	assert_non_null(strstr(out.buf, "sockets: used 2\nTCP: inuse 1 "));
}

static void every_file_of_the_view_has_a_name_and_content(void **unused)
{
	static const int gone = -ENOENT, broken = -EIO;

	(void)unused;
	for (int i = 0; i < NETVIEW_FILES; i++) {
		AUTO(str) struct str out = STR(4096);

		assert_int_equal(netview_index(netview_name(i)), i);
		assert_int_equal(netview_content(&source, i, &out), 0);
		assert_true(out.len > 0 && out.buf[out.len - 1] == '\n');
	}
	assert_int_equal(netview_index("snmp"), -1);
	assert_int_equal(netview_index(""), -1);
	AUTO(str) struct str out = STR(4096);
	const struct netview_source without = { table, sockets, &gone }, fails = { table, sockets, &broken };
	assert_int_equal(netview_content(&without, netview_index("tcp6"), &out), -ENOENT);
	assert_int_equal(netview_content(&without, netview_index("sockstat6"), &out), 0);
	assert_int_equal(netview_content(&fails, netview_index("tcp"), &out), -EIO);
}

static void the_view_fails_without_memory_and_leaks_nothing(void **unused)
{
	(void)unused;
	for (int i = 0; i < NETVIEW_FILES; i++)
		for (int n = 0;; n++) {
			AUTO(str) struct str out = STR(4096);

			fault_arm(n);
			int rc = netview_content(&source, i, &out);
			if (!fault_fired()) {
				assert_int_equal(rc, 0);
				break;
			}
			assert_true(rc < 0);
		}
}

/* --- memory files --- */

static void a_memory_file_can_only_be_read(void **unused)
{
	char text[16] = "";
	struct stat st;
	AUTO(fd) int file = memfile_make("hosts", "hello", 5);

	(void)unused;
	assert_true(file >= 0);
	AUTO(fd) int one = memfile_open(file, O_RDONLY | O_NONBLOCK);
	AUTO(fd) int two = memfile_open(file, O_RDONLY);
	assert_true(one >= 0 && two >= 0);
	assert_int_equal(read(one, text, sizeof text), 5);
	assert_int_equal(read(two, text, sizeof text), 5);
	assert_string_equal(text, "hello");
	assert_int_equal(fstat(two, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	assert_int_equal(st.st_size, 5);
	assert_true(write(two, "x", 1) < 0);
	assert_true(ftruncate(file, 0) < 0);
	assert_true(write(file, "x", 1) < 0);
	assert_true(fcntl(one, F_GETFL) & O_NONBLOCK);
	assert_int_equal(memfile_open(file, O_RDWR), -EACCES);
	assert_int_equal(memfile_open(file, O_RDONLY | O_DIRECTORY), -ENOTDIR);
}

static void a_memory_file_fails_whole(void **unused)
{
	int before = fault_open_fds();

	(void)unused;
	for (int n = 0;; n++) {
		fault_arm(n);
		int file = memfile_make("hosts", "hello", 5);
		if (!fault_fired()) {
			fd_close(&file);
			break;
		}
		assert_true(file < 0);
		assert_int_equal(fault_open_fds(), before);
	}
}

/* --- the plan --- */

struct planned {
	struct policy *policy;
	struct grants grants;
	struct virtuals virtuals;
};

static int plan_for(const char *read, const char *name, bool write, struct planned *out)
{
	struct error err = { 0 };

	*out = (struct planned){ .policy = policy_new() };
	assert_int_equal(policy_add(out->policy, write ? "filesystem.write" : "filesystem.read", read, "-r", &err), 0);
	if (name)
		assert_int_equal(policy_set(out->policy, "program.name", name, "--name", &err), 0);
	assert_int_equal(policy_freeze(out->policy, &err), 0);
	assert_int_equal(resolve_grants(out->policy, &out->grants, &err), 0);
	return virtual_plan(out->policy, &out->grants, &out->virtuals, &err);
}

static void plan_fini(struct planned *p)
{
	grants_fini(&p->grants);
	virtuals_fini(&p->virtuals);
	policy_free(p->policy);
}

static const struct grant *entry(const struct planned *p, const char *path)
{
	for (size_t i = 0; i < p->virtuals.entries.len; i++)
		if (strcmp(p->virtuals.entries.at[i].path, path) == 0)
			return &p->virtuals.entries.at[i];
	return NULL;
}

static void nothing_virtual_in_reach_changes_nothing(void **unused)
{
	struct planned p;

	(void)unused;
	assert_int_equal(plan_for("/etc", NULL, false, &p), 0);
	assert_int_equal(p.virtuals.kinds, 0);
	assert_int_equal(p.grants.at[0].withheld, 0);
	assert_int_equal(p.virtuals.entries.len, 0);
	plan_fini(&p);
	assert_int_equal(plan_for("/usr", "box", false, &p), 0);
	assert_int_equal(p.virtuals.kinds, VIRTUAL_FILES);      /* which need no grant */
	assert_int_equal(p.grants.at[0].withheld, 0);
	assert_int_equal(p.virtuals.entries.len, 0);
	plan_fini(&p);
}

static void a_folder_with_a_virtual_file_becomes_its_other_entries(void **unused)
{
	struct planned p;
	struct stat st;

	(void)unused;
	if (access("/etc/hostname", F_OK) < 0)
		skip();
	assert_int_equal(plan_for("/etc", "box", false, &p), 0);
	assert_int_equal(p.virtuals.kinds, VIRTUAL_FILES);
	assert_int_equal(p.grants.at[0].withheld, ACCESS_READ | ACCESS_EXEC);
	assert_non_null(grants_find(&p.grants, "/etc/hostname", ACCESS_READ));
	assert_non_null(entry(&p, "/etc/passwd"));
	assert_null(entry(&p, "/etc/hostname"));
	assert_null(entry(&p, "/etc"));
	assert_int_equal(stat("/etc/hostname", &st), 0);
	assert_int_equal(virtual_by_id(&p.virtuals, (struct file_id){ st.st_dev, st.st_ino }), 0);
	assert_int_equal(stat("/etc", &st), 0);
	assert_true(virtual_is_listed(&p.virtuals, (struct file_id){ st.st_dev, st.st_ino }));
	plan_fini(&p);
	/* the root too, down to /etc */
	assert_int_equal(plan_for("/", "box", false, &p), 0);
	assert_non_null(entry(&p, "/etc/passwd"));
	assert_non_null(entry(&p, "/usr"));
	assert_null(entry(&p, "/etc"));
	assert_null(entry(&p, "/proc"));
	assert_null(entry(&p, "/etc/hostname"));
	assert_int_equal(p.virtuals.kinds, VIRTUAL_FILES | VIRTUAL_NET | VIRTUAL_TASKS | VIRTUAL_SYS);
	plan_fini(&p);
}

static void the_file_itself_is_withheld(void **unused)
{
	struct planned p;

	(void)unused;
	if (access("/etc/hostname", F_OK) < 0)
		skip();
	assert_int_equal(plan_for("/etc/hostname", "box", false, &p), 0);
	assert_int_equal(p.grants.at[0].withheld, ACCESS_READ | ACCESS_EXEC);
	assert_int_equal(p.virtuals.entries.len, 0);
	plan_fini(&p);
	/* Who may write it means the host's. */
	assert_int_equal(plan_for("/etc/hostname", "box", true, &p), 0);
	assert_int_equal(virtual_by_path(&p.virtuals, "/etc/hostname"), -1);
	assert_int_equal(p.grants.at[0].withheld, 0);
	plan_fini(&p);
}

static void grants_of_kernel_files_are_judged_by_what_they_reach(void **unused)
{
	static const struct {
		const char *path;
		unsigned kinds;
	} cases[] = {
		{ "/proc", VIRTUAL_NET | VIRTUAL_TASKS | VIRTUAL_SYS },
		{ "/proc/self/net/dev", VIRTUAL_NET },
		{ "/proc/self/net", VIRTUAL_NET },
		{ "/proc/sys", VIRTUAL_SYS },
		{ "/proc/sys/kernel", 0 },
		{ "/proc/cpuinfo", 0 },
		{ "/sys", VIRTUAL_SYS },
		{ "/sys/class", VIRTUAL_SYS },
		{ "/sys/class/net", VIRTUAL_SYS },
		{ "/sys/devices/system", 0 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct planned p;

		if (access(cases[i].path, F_OK) < 0)
			continue;
		assert_int_equal(plan_for(cases[i].path, NULL, false, &p), 0);
		if (p.virtuals.kinds != cases[i].kinds)
			fail_msg("%s: %x", cases[i].path, p.virtuals.kinds);
		assert_int_equal(p.grants.at[0].withheld, cases[i].kinds ? ACCESS_READ | ACCESS_EXEC : 0);
		assert_int_equal(p.virtuals.entries.len, 0);
		plan_fini(&p);
	}
}

static void a_grant_to_write_has_opens_for_writing_looked_at(void **unused)
{
	struct planned p;

	(void)unused;
	assert_int_equal(plan_for("/proc", NULL, true, &p), 0);
	assert_int_equal(p.virtuals.kinds, VIRTUAL_NET | VIRTUAL_TASKS | VIRTUAL_SYS | VIRTUAL_WRITES);
	plan_fini(&p);
	assert_int_equal(plan_for("/usr", NULL, true, &p), 0);
	assert_int_equal(p.virtuals.kinds, 0);
	plan_fini(&p);
}

static void without_a_supervisor_nothing_is_virtual(void **unused)
{
	struct planned p = { .policy = policy_new() };

	(void)unused;
	p.policy->no_supervisor = true;
	assert_int_equal(virtual_plan(p.policy, &p.grants, &p.virtuals, NULL), 0);
	assert_int_equal(p.virtuals.kinds, 0);
	plan_fini(&p);
}

static void a_plan_that_fails_leaves_nothing_behind(void **unused)
{
	int before = fault_open_fds();

	(void)unused;
	for (int n = 0; n < 4000; n += n < 60 ? 1 : 37) {
		struct planned p = { .policy = policy_new() };
		struct error err = { 0 };

		assert_int_equal(policy_add(p.policy, "filesystem.read", "/etc", "-r", &err), 0);
		assert_int_equal(policy_set(p.policy, "program.name", "box", "--name", &err), 0);
		assert_int_equal(policy_freeze(p.policy, &err), 0);
		assert_int_equal(resolve_grants(p.policy, &p.grants, &err), 0);
		fault_arm(n);
		int rc = virtual_plan(p.policy, &p.grants, &p.virtuals, &err);
		bool fired = fault_fired();

		if (rc == 0 && p.virtuals.kinds)        /* an entry that cannot be opened is left out, no more */
			assert_int_equal(p.grants.at[0].withheld, ACCESS_READ | ACCESS_EXEC);
		plan_fini(&p);
		assert_int_equal(fault_open_fds(), before);
		if (!fired)
			break;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_of_procfs_tells_task_and_net),
		cmocka_unit_test(only_the_loopback_is_not_hidden),
		cmocka_unit_test(an_object_is_known_by_number_and_by_path),
		cmocka_unit_test(tables_keep_the_lines_of_own_sockets),
		cmocka_unit_test(every_file_of_the_view_has_a_name_and_content),
		cmocka_unit_test(the_view_fails_without_memory_and_leaks_nothing),
		cmocka_unit_test(a_memory_file_can_only_be_read),
		cmocka_unit_test(a_memory_file_fails_whole),
		cmocka_unit_test(nothing_virtual_in_reach_changes_nothing),
		cmocka_unit_test(a_folder_with_a_virtual_file_becomes_its_other_entries),
		cmocka_unit_test(the_file_itself_is_withheld),
		cmocka_unit_test(grants_of_kernel_files_are_judged_by_what_they_reach),
		cmocka_unit_test(a_grant_to_write_has_opens_for_writing_looked_at),
		cmocka_unit_test(without_a_supervisor_nothing_is_virtual),
		cmocka_unit_test(a_plan_that_fails_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
