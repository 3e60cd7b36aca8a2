/* The sandbox's own name server: one thread that listens on an island's port 53 and answers as answers.h says. */
#ifndef FEATURES_NAMESERVER_H
#define FEATURES_NAMESERVER_H

#include "base/island.h"
#include "base/lookup.h"
#include "features/answers.h"

#define NAMESERVER_LOOKUPS 24           /* questions to servers under way; the last 8 are for refreshes only */
#define NAMESERVER_CLIENTS 16           /* TCP connections */
#define NAMESERVER_QUERY_MAX 1024       /* bytes of a question */

struct nameserver;

/* Starts the thread; without an island (NULL) it only refreshes. `servers` is copied. 0 or -errno. */
int nameserver_start(const struct answers_setup *setup, const struct lookup_servers *servers, struct island *island,
		     struct nameserver **out);
void nameserver_stop(struct nameserver *ns);

#endif
