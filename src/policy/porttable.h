/* The kernel's tables of internet sockets, /proc/net/tcp and its like, line by line. */
#ifndef POLICY_PORTTABLE_H
#define POLICY_PORTTABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/str.h"

#define PORTTABLE_LISTENS 0x0a          /* state of a TCP socket */

struct port_row {
	struct addr local;
	struct addr peer;
	unsigned state;
	uint32_t uid;
	uint64_t inode;                 /* 0: of no socket any more */
	struct view local_port;         /* the four digits, within the line */
	struct view peer_port;
};

/* One line without its end; false for the heading and whatever else is no socket. */
bool porttable_row(struct view line, struct port_row *out);

#endif
