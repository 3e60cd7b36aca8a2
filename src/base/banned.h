/*
 * Functions that do not belong in this code: unbounded copies, silent number parsing, hidden state, stack by length.
 * Every source file is compiled with this header first (-include), so that using one of the names does not compile.
 * The headers that declare them come first, because even a declaration would trip over the poison.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#ifdef alloca
#undef alloca
#endif

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok gets alloca
#pragma GCC poison atoi atol atoll strtol strtoul strtoll strtoull

#endif
