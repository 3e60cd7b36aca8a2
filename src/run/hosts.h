/* What the virtual files of the name service say: /etc/hosts, /etc/host.conf, /etc/resolv.conf and the host name. */
#ifndef RUN_HOSTS_H
#define RUN_HOSTS_H

#include "policy/netmatch.h"
#include "policy/policy.h"
#include "supervisor/handler.h"

/* The resolver that a sandbox with "*.example.com" rules is told to ask. */
#define HOSTS_NAMESERVER "127.0.0.53"

#define HOSTS_FILES 5

struct hosts {
	const struct policy *policy;
	const struct net_pin *pins;     /* lent */
	size_t pin_count;
	struct openings *openings;      /* not NULL: names are kept fresh, and what is open now is what they stand for */
	struct vfile file[HOSTS_FILES];
};

/* Fills in the files; policy and pins must outlive them. */
void hosts_init(struct hosts *h, const struct policy *p, const struct net_pin *pins, size_t count);

#endif
