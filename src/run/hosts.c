/*
 * What the virtual files of the name service say. /etc/hosts has the loopback and the addresses that the rules' names were
 * resolved to, so that a program finds exactly the addresses that it may use; nothing of the host's own entries is in it.
 */
#include "run/hosts.h"

#include "base/mem.h"
#include "base/str.h"

static int say_hosts(void *arg, struct str *out)
{
	const struct hosts *h = arg;

	str_add(out, "127.0.0.1 localhost\n::1 localhost\n");
	for (size_t i = 0; i < h->pin_count; i++) {
		addr_print(&h->pins[i].ip, out);
		str_addf(out, " %s\n", h->pins[i].name);
	}
	return out->rc;
}

static int say_resolv_conf(void *arg, struct str *out)
{
	(void)arg;
	str_add(out, "nameserver " HOSTS_NAMESERVER "\n");
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
		{ "/etc/resolv.conf", say_resolv_conf },
		{ "/etc/hostname", say_hostname },
	};

	*h = (struct hosts){ .policy = p, .pins = pins, .pin_count = count };
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		h->file[i] = (struct vfile){ .path = files[i].path, .content = files[i].say, .arg = h };
}
