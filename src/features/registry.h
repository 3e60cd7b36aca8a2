/* The ordered list of features. Order is meaning: the first verdict that is not V_NEXT answers the call. */
#ifndef FEATURES_REGISTRY_H
#define FEATURES_REGISTRY_H

#include <stddef.h>

#include "supervisor/handler.h"

extern const struct feature *const feature_registry[];
extern const size_t feature_count;

#endif
