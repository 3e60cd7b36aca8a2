/* The ordered list of features. Order is meaning: the first verdict that is not V_NEXT answers the call. */
#ifndef FEATURES_REGISTRY_H
#define FEATURES_REGISTRY_H

#include <stddef.h>

#include "supervisor/handler.h"

extern const struct feature *const feature_registry[];
extern const size_t feature_count;

extern const struct feature feature_refusals;
extern const struct feature feature_process_limit;
extern const struct feature feature_task_limit;
extern const struct feature feature_hostname;
extern const struct feature feature_listen;
extern const struct feature feature_groups;
extern const struct feature feature_nested;
extern const struct feature feature_net;
extern const struct feature feature_ports;
extern const struct feature feature_portpeers;
extern const struct feature feature_netlink;
extern const struct feature feature_interfaces;
extern const struct feature feature_resolver;
extern const struct feature feature_unix;
extern const struct feature feature_vfiles;
extern const struct feature feature_metadata;
extern const struct feature feature_signals;
extern const struct feature feature_explain;

#endif
