/*
 * What the virtual files of the name service say. /etc/hosts has the loopback and the addresses that the rules' names were
 * resolved to, so that a program finds exactly the addresses that it may use; nothing of the host's own entries is in it.
 */
#include "run/hosts.h"

#include <string.h>

#include "base/lookup.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/sys.h"

struct lines {
	const struct hosts *hosts;
	struct str *out;
};

static void add_line(const char *name, const struct addr *ip, void *arg)
{
	const struct lines *lines = arg;

	addr_print(ip, lines->out);
	str_addf(lines->out, " %s\n", name);
}

static bool is_pinned(const struct hosts *h, const char *name)
{
	for (size_t i = 0; i < h->pin_count; i++)
		if (strcmp(h->pins[i].name, name) == 0)
			return true;
	return false;
}

/* What the resolver has opened for a name below a suffix rule is not said here: it would be old when it is read. */
static void add_open(const char *name, const struct addr *ip, void *arg)
{
	const struct lines *lines = arg;

	if (is_pinned(lines->hosts, name))
		add_line(name, ip, arg);
}

static int say_hosts(void *arg, struct str *out)
{
	const struct hosts *h = arg;
	struct lines lines = { h, out };

	str_add(out, "127.0.0.1 localhost\n::1 localhost\n");
	if (h->openings)
		openings_each(h->openings, sys_now(), add_open, &lines);
	for (size_t i = 0; !h->openings && i < h->pin_count; i++)
		add_line(h->pins[i].name, &h->pins[i].ip, &lines);
	return out->rc;
}

/* Without it glibc takes the first line of a name for all there is, and a program cannot fall back to another address. */
static int say_host_conf(void *arg, struct str *out)
{
	(void)arg;
	str_add(out, "multi on\n");
	return out->rc;
}

/* Short names mean what they mean outside; the servers of the host are nobody's business. */
static int say_resolv_conf(void *arg, struct str *out)
{
	struct lookup_servers host;

	(void)arg;
	lookup_servers_read("/etc/resolv.conf", &host);
	str_add(out, "nameserver " HOSTS_NAMESERVER "\n");
	if (host.search[0])
		str_addf(out, "search%s\n", host.search);
	if (host.ndots >= 0)
		str_addf(out, "options ndots:%d\n", host.ndots);
	return out->rc;
}

static int say_hostname(void *arg, struct str *out)
{
	const struct hosts *h = arg;

	str_addf(out, "%s\n", h->policy->name ? h->policy->name : "localhost");
	return out->rc;
}

void hosts_init(struct hosts *h, const struct policy *p, const struct net_pin *pins, size_t count)
{
	static const struct {
		const char *path;
		int (*say)(void *arg, struct str *out);
	} files[HOSTS_FILES] = {
		{ "/etc/hosts", say_hosts },
		{ "/etc/host.conf", say_host_conf },
		{ "/etc/resolv.conf", say_resolv_conf },
		{ "/etc/hostname", say_hostname },
		{ "/proc/sys/kernel/hostname", say_hostname },
	};

	*h = (struct hosts){ .policy = p, .pins = pins, .pin_count = count };
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		h->file[i] = (struct vfile){ .path = files[i].path, .content = files[i].say, .arg = h };
}
