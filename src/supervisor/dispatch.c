/* Handler tables of the active features to one chain per call number; yields the set of calls to trap. */
#include "supervisor/dispatch.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

/* The i-th slot of a chain, or NULL at its end. */
static const struct dispatch_slot *slot_of(const struct dispatch *d, const struct dispatch_chain *chain, size_t i)
{
	return i < DISPATCH_CHAIN && chain->slot[i] ? &d->slots[chain->slot[i] - 1] : NULL;
}

static int push(struct dispatch *d, struct dispatch_chain *chain, const struct handler *handler, size_t feature)
{
	const struct dispatch_slot *slot;
	size_t len = 0;

	for (; (slot = slot_of(d, chain, len)); len++)
		if (slot->handler->on_call == handler->on_call && slot->feature == feature)
			return 0;       /* one handler, several conditions: the first row stands for all */
	if (len == DISPATCH_CHAIN || d->slot_count == DISPATCH_SLOTS)
		return -E2BIG;
	d->slots[d->slot_count++] = (struct dispatch_slot){ handler, (uint8_t)feature };
	chain->slot[len] = (uint8_t)d->slot_count;
	return 0;
}

/* The rows of a feature that this policy needs. */
static bool row_is_there(const struct handler *h, const struct policy *p)
{
	return !h->when || h->when(p);
}

static int add_feature(struct dispatch *d, const struct feature *f)
{
	if (d->count == DISPATCH_FEATURES)
		return -E2BIG;
	for (size_t i = 0; i < f->handler_count; i++) {
		const struct handler *h = &f->handlers[i];
		int nr = syscall_nr(ARCH_NATIVE, h->syscall);
		int rc = 0;

		if (!row_is_there(h, d->policy))
			continue;
		if (strcmp(h->syscall, "*") == 0)
			rc = push(d, &d->any, h, d->count);
		else if (nr >= 0)
			rc = push(d, &d->chain[nr], h, d->count);
		if (rc < 0)
			return rc;
	}
	d->active[d->count++] = f;
	return 0;
}

int dispatch_init(struct dispatch *d, const struct feature *const *registry, size_t count, const struct policy *p)
{
	memset(d, 0, sizeof *d);
	d->policy = p;
	for (size_t i = 0; i < count; i++) {
		if (!registry[i]->wanted(p))
			continue;
		int rc = add_feature(d, registry[i]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int dispatch_traps(const struct dispatch *d, struct trap **out, size_t *count)
{
	AUTO(free) struct trap *traps = NULL;
	size_t cap = 0;
	size_t len = 0;

	for (size_t f = 0; f < d->count; f++) {
		for (size_t i = 0; i < d->active[f]->handler_count; i++) {
			const struct handler *h = &d->active[f]->handlers[i];
			const struct trap trap = {
				.syscall = h->syscall,
				.conditional = h->conditional,
				.arg = h->test_arg,
				.op = h->test_op,
				.mask = h->test_mask,
				.value = h->test_value,
			};

			if (strcmp(h->syscall, "*") == 0 || h->flags & H_ONLY_IF_TRAPPED ||
			    !row_is_there(h, d->policy))
				continue;
			if (VEC_PUSH(traps, cap, len, trap) < 0)
				return -ENOMEM;
		}
	}
	*count = len;
	*out = TAKE(traps);
	return 0;
}

int dispatch_start(struct dispatch *d, const struct feature_env *env, struct error *err)
{
	for (size_t i = 0; i < d->count; i++) {
		int rc = d->active[i]->start ? d->active[i]->start(env, &d->state[i], err) : 0;

		if (rc < 0) {
			error_set(err, ERR_START, rc, "feature %s: %s", d->active[i]->name, error_text(rc));
			dispatch_stop(d);
			return rc;
		}
		d->started[i] = true;
	}
	return 0;
}

void dispatch_stop(struct dispatch *d)
{
	for (size_t i = d->count; i-- > 0;) {
		if (d->started[i] && d->active[i]->stop)
			d->active[i]->stop(d->state[i]);
		d->started[i] = false;
	}
}

static const struct dispatch_chain *chain_of(const struct dispatch *d, int nr)
{
	static const struct dispatch_chain none;

	return nr >= 0 && nr < SYSRULES_MAX ? &d->chain[nr] : &none;
}

static unsigned join_flags(const struct dispatch *d, const struct dispatch_chain *chain, unsigned flags)
{
	const struct dispatch_slot *slot;

	for (size_t i = 0; (slot = slot_of(d, chain, i)); i++) {
		flags |= slot->handler->flags & (H_BLOCKS | H_MAY_CONTINUE | H_TRIES);
		if (!(slot->handler->flags & H_NO_DECODE))
			flags &= ~(unsigned)H_NO_DECODE;
	}
	return flags;
}

unsigned dispatch_flags(const struct dispatch *d, int nr)
{
	return join_flags(d, &d->any, join_flags(d, chain_of(d, nr), H_NO_DECODE));
}

/*
 * A row with a condition is asked only about calls that meet it, also when others have more of them trapped. Of several
 * rows of one handler the slot has the first.
 */
static bool is_asked(const struct dispatch *d, const struct dispatch_slot *slot, const struct call *call)
{
	const struct feature *f = d->active[slot->feature];
	const struct handler *first = slot->handler;

	for (const struct handler *h = first; h < f->handlers + f->handler_count; h++) {
		const struct arg_test test = {
			.arg = h->test_arg, .op = h->test_op, .mask = h->test_mask, .value = h->test_value,
		};

		if (h->on_call != first->on_call || (h != first && strcmp(h->syscall, first->syscall) != 0) ||
		    !row_is_there(h, d->policy))
			continue;
		if (!h->conditional || arg_test_holds(&test, call->raw))
			return true;
	}
	return false;
}

/* *pass stays true when everybody who was asked says that the kernel may run the calls of others. */
static struct verdict ask(const struct dispatch *d, const struct dispatch_chain *chain, const struct call *call, bool *pass)
{
	const struct dispatch_slot *slot;
	size_t asked = 0;

	for (size_t i = 0; (slot = slot_of(d, chain, i)); i++) {
		if (!is_asked(d, slot, call))
			continue;
		asked++;
		struct verdict v = slot->handler->on_call(call, d->state[slot->feature]);

		if (v.kind == V_CONTINUE && !(slot->handler->flags & H_MAY_CONTINUE))
			return v_errno(EPERM);
		/* One that nobody was told of would never end. */
		if (v.kind == V_LATER && !(slot->handler->flags & H_TRIES))
			return v_errno(EAGAIN);
		if (v.kind == V_PARK && !(slot->handler->flags & H_OTHERS_PASS))
			return v_errno(EPERM);
		if (v.kind != V_NEXT)
			return v;
		*pass = *pass && slot->handler->flags & H_OTHERS_PASS;
	}
	*pass = *pass && asked > 0;
	return v_next();
}

struct verdict dispatch_call(const struct dispatch *d, const struct call *call)
{
	bool pass = false;
	/* What the rules refuse is refused, whatever a feature would do with the call: clone(CLONE_NEWUSER) reaches us
	 * both as a refusal and as a fork. */
	struct verdict v = ask(d, &d->any, call, &pass);

	if (v.kind == V_NEXT) {
		pass = true;
		v = ask(d, chain_of(d, call->nr), call, &pass);
	}
	if (v.kind != V_NEXT)
		return v;
	return pass ? v_continue() : v_errno(ENOSYS);
}
