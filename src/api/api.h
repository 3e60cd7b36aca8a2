/* What the public handles are, for the files of this folder. They validate, translate, call and map the error. */
#ifndef API_API_H
#define API_API_H

#include "base/err.h"
#include "base/str.h"
#include "policy/policy.h"
#include "run/prepare.h"
#include "run/sandbox.h"
#include "sandlock/sandlock.h"

struct sandlock_error {
	struct error error;
};

struct sandlock_policy {
	struct policy *policy;          /* owned until it is frozen, then NULL */
	struct prepared *prepared;      /* once frozen */
	char *scratch;                  /* the last string that sandlock_policy_get() made */
};

struct sandlock_sandbox {
	struct sandbox *box;
	sandlock_port_function *on_port;        /* NULL: nobody wants to be told */
	void *on_port_arg;
	char *reason;                   /* the last answer of sandlock_exit_reason() */
};

/* Puts a copy of `error` into *out (may be NULL) and returns rc; a constant error when memory is short. */
int api_fail(sandlock_error **out, const struct error *error, int rc);

/* A failure that begins in this folder. */
int api_error(sandlock_error **out, enum err_kind kind, int rc, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The builder's content as *out, the caller's; -ENOMEM and the like as an error. */
int api_text(struct str *s, char **out, sandlock_error **err);

const struct policy *api_policy(const sandlock_policy *policy);

/* The prepared form, or NULL with *rc = -EINVAL and a sentence: the policy is not frozen. */
struct prepared *api_prepared(const sandlock_policy *policy, int *rc, sandlock_error **err);

#endif
