/* Landlock domains that processes of the sandbox enter themselves, so that what is done on their behalf stays in them. */
#ifndef SUPERVISOR_DOMAINS_H
#define SUPERVISOR_DOMAINS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/handler.h"

#define DOMAINS_MAX 64                  /* of one sandbox that processes are in at a time: a thread each */

struct domain;

struct domains {
	pthread_mutex_t lock;           /* the table; one process at a time enters a domain */
	atomic_uint entered;            /* ever; 0: nobody has to be asked */
	uint64_t unmarked;              /* the limit of a process that has entered none */
	struct domain *slot[DOMAINS_MAX];
};

void domains_init(struct domains *d);
void domains_fini(struct domains *d);   /* when nobody acts any more */

/* The caller is about to enter the domain of this ruleset (landlock_restrict_self with these flags). 0, or what the call
 * says: -E2BIG when there are too many, -EPERM when the process cannot be marked. */
int domains_enter(const struct call *call, int ruleset, unsigned flags);

/* Runs act(arg) as the kernel would judge it in the caller: in the domains that it has entered. What act returns;
 * -EACCES when nobody knows them any more. */
long domains_act(const struct call *call, long (*act)(void *), void *arg);

/* Has the caller entered any? */
bool domains_has(const struct call *call);

/* The same for one system call. */
struct domain_call {
	long nr;
	long arg[6];
};
long domains_syscall(const struct call *call, struct domain_call c);

#define IN_DOMAIN(call, number, ...) domains_syscall((call), (struct domain_call){ .nr = (number), .arg = { __VA_ARGS__ } })

/* May the caller talk to who holds the abstract socket with this inode, for all that its own domains say? */
bool domains_share_socket(const struct call *call, uint64_t inode);

#endif
