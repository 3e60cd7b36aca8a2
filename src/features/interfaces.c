/*
 * The SIOCGIF* questions about interfaces, answered as base/nlmsg.c answers route netlink: there is loopback and nothing
 * else. The filter traps these requests alone; the rest of their page stays refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sys.h"
#include "features/registry.h"

#define GIFNAME 0x8910U
#define GIFCONF 0x8912U
#define GIFFLAGS 0x8913U
#define GIFADDR 0x8915U
#define GIFNETMASK 0x891BU
#define GIFMTU 0x8921U
#define GIFHWADDR 0x8927U
#define GIFINDEX 0x8933U

struct interface_request {      /* struct ifreq; libc's header of it and the kernel's clash */
	char name[16];
	uint8_t value[24];
};

/* What each question puts where the value begins; all of it is what base/nlmsg.c says too. */
static const struct fact {
	uint32_t request;
	uint8_t value[24];
} facts[] = {
	{ GIFFLAGS,   { 0x49 } },                                       /* UP, LOOPBACK, RUNNING */
	{ GIFADDR,    { AF_INET, 0, 0, 0, 127, 0, 0, 1 } },
	{ GIFNETMASK, { AF_INET, 0, 0, 0, 255, 0, 0, 0 } },
	{ GIFMTU,     { 0, 0, 1, 0 } },                                 /* 65536 */
	{ GIFHWADDR,  { 0x04, 0x03 } },                                 /* ARPHRD_LOOPBACK and an address of zeros */
	{ GIFINDEX,   { 1 } },
};

static int fill(uint32_t request, struct interface_request *r)
{
	static const uint8_t first[4] = { 1 };

	if (request == GIFNAME) {
		if (memcmp(r->value, first, sizeof first) != 0)
			return -ENODEV;
		memset(r->name, 0, sizeof r->name);
		memcpy(r->name, "lo", 2);
		return 0;
	}
	if (memcmp(r->name, "lo", sizeof "lo") != 0)
		return -ENODEV;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		if (facts[i].request == request)
			memcpy(r->value, facts[i].value, sizeof r->value);
	return 0;
}

/* SIOCGIFCONF: a list of one, or how long that would be. */
static int list_interfaces(const struct call *call)
{
	struct {
		int32_t len;
		int32_t padding;
		uint64_t list;
	} conf;
	struct interface_request lo = { .name = "lo" };

	int rc = call->kernel->copy_in(call, &conf, call->raw[2], sizeof conf);
	if (rc < 0)
		return rc;
	if (conf.list != 0) {
		bool fits = conf.len >= (int32_t)sizeof lo;

		fill(GIFADDR, &lo);
		rc = fits ? call->kernel->copy_out(call, conf.list, &lo, sizeof lo) : 0;
		conf.len = fits ? (int32_t)sizeof lo : 0;
	} else {
		conf.len = sizeof lo;
	}
	return rc < 0 ? rc : call->kernel->copy_out(call, call->raw[2], &conf, sizeof conf);
}

static int fstat_of(const struct call *call, int fd, struct stat *st)
{
	AUTO(fd) int pinned = call->kernel->pin_fd(call, fd);

	return pinned < 0 ? pinned : (int)SYS(SYS_fstat, pinned, st);
}

static bool is_question(uint32_t request)
{
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		if (facts[i].request == request)
			return true;
	return request == GIFNAME || request == GIFCONF;
}

static struct verdict on_ioctl(const struct call *call, void *state)
{
	uint32_t request = (uint32_t)call->raw[1];
	struct interface_request r;
	struct stat st;

	(void)state;
	if (!is_question(request))
		return v_next();
	int rc = fstat_of(call, (int)call->raw[0], &st);
	if (rc == 0 && !S_ISSOCK(st.st_mode))
		rc = -ENOTTY;
	if (rc < 0)
		return v_errno(rc);
	if (request == GIFCONF)
		return v_result(list_interfaces(call));
	rc = call->kernel->copy_in(call, &r, call->raw[2], sizeof r);
	if (rc == 0)
		rc = fill(request, &r);
	if (rc == 0)
		rc = call->kernel->copy_out(call, call->raw[2], &r, sizeof r);
	return v_result(rc);
}

/*
 * A unix socket that reaches nobody and that nobody reaches: a stream that listened and was shut down. The kernel answers
 * connect and bind with EINVAL, a send with ENOTCONN or, to an address, EOPNOTSUPP, and raises no signal.
 */
static int mute_socket(int flags)
{
	const sa_family_t unnamed = AF_UNIX;    /* alone it asks for any free name */

	AUTO(fd) int fd = (int)SYS(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	int rc = fd < 0 ? fd : (int)SYS(SYS_bind, fd, &unnamed, sizeof unnamed);
	if (rc >= 0)
		rc = (int)SYS(SYS_listen, fd, 0);
	if (rc >= 0)
		rc = (int)SYS(SYS_shutdown, fd, SHUT_RDWR);
	return rc < 0 ? rc : take_fd(&fd);
}

/* libc asks about interfaces on a unix datagram socket, which could send to any path of the host: a mute one stands in. */
static struct verdict on_unix_datagram(const struct call *call, void *state)
{
	uint32_t type = (uint32_t)call->raw[1];

	(void)state;
	if ((int)call->raw[0] != AF_UNIX || (type & 0xf) != SOCK_DGRAM)
		return v_next();
	int fd = mute_socket((int)(type & SOCK_NONBLOCK));
	if (fd < 0)
		return v_errno(fd);
	return v_give_fd(fd, type & SOCK_CLOEXEC ? O_CLOEXEC : 0);
}

static bool interfaces_wanted(const struct policy *p)
{
	return !p->no_supervisor;
}

/* With --unix-allow these sockets are made, and others may have them trapped. */
static bool stands_in(const struct policy *p)
{
	return !policy_has_unix_datagrams(p);
}

#define ASKED(is) .conditional = true, .test_arg = 1, .test_op = ARG_EQ, .test_value = (is)

static const struct handler interfaces_handlers[] = {
	{ "ioctl", on_ioctl, H_NO_DECODE, ASKED(GIFNAME) },
	{ "ioctl", on_ioctl, H_NO_DECODE, ASKED(GIFCONF) },
	{ "ioctl", on_ioctl, H_NO_DECODE, ASKED(GIFFLAGS) },
	{ "ioctl", on_ioctl, H_NO_DECODE, ASKED(GIFADDR) },
	{ "ioctl", on_ioctl, H_NO_DECODE, ASKED(GIFNETMASK) },
	{ "ioctl", on_ioctl, H_NO_DECODE, ASKED(GIFMTU) },
	{ "ioctl", on_ioctl, H_NO_DECODE, ASKED(GIFHWADDR) },
	{ "ioctl", on_ioctl, H_NO_DECODE, ASKED(GIFINDEX) },
	/* the filter traps these, and no other sockets, where the policy has no unix datagrams */
	{ "socket", on_unix_datagram, H_NO_DECODE | H_ONLY_IF_TRAPPED | H_OTHERS_PASS, .when = stands_in },
};

const struct feature feature_interfaces = {
	.name = "interfaces", .wanted = interfaces_wanted, HANDLERS(interfaces_handlers),
};
