/* A supervisor without a kernel behind it. */
#include "fake_supervisor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervisor/onbehalf.h"

static struct report report;
static struct feature feature = { .name = "test" };
static const struct feature *const all[] = { &feature };

static bool always(const struct policy *p)
{
	(void)p;
	return true;
}

struct supervisor *fake_supervisor(const struct handler *rows, size_t count)
{
	struct supervisor *s = test_calloc(1, sizeof *s);

	feature.wanted = always;
	feature.handlers = rows;
	feature.handler_count = count;
	assert_int_equal(report_init(&report), 0);
	assert_int_equal(supervisor_init(s, &report), 0);
	assert_int_equal(dispatch_init(&s->dispatch, all, 1, NULL), 0);
	return s;
}

void fake_supervisor_free(struct supervisor *s)
{
	supervisor_fini(s);
	report_fini(&report);
	test_free(s);
}

int own_supervisor(struct supervisor **s, struct report *told, struct call *call, struct progress *progress)
{
	*s = test_calloc(1, sizeof **s);
	if (!*s || report_init(told) < 0 || supervisor_init(*s, told) < 0)
		return -1;
	*progress = (struct progress){ 0 };
	*call = (struct call){
		.tid = (pid_t)SYS(SYS_gettid), .supervisor = *s, .progress = progress, .kernel = &onbehalf_ops,
	};
	return 0;
}

void own_supervisor_free(struct supervisor *s, struct report *told)
{
	supervisor_fini(s);
	report_fini(told);
	test_free(s);
}

struct call_box *fake_box(struct supervisor *s, const char *syscall)
{
	struct sc_notif n = { .id = 1, .data.nr = syscall_nr(ARCH_NATIVE, syscall) };
	struct call_box *box = workers_own_box(s);

	assert_non_null(box);
	decode_registers(box, &n);
	return box;
}
