/* Raw system calls: what of them is not an inline function. */
#include "base/sys.h"

#include "base/mem.h"

#ifdef SANDLOCK_SEAM
_Thread_local bool (*sys_seam)(long nr, const long *args, long *result);

long sys_seamed6(long nr, long a, long b, long c, long d, long e, long f)
{
	const long args[6] = { a, b, c, d, e, f };
	long result;

	if (sys_seam && sys_seam(nr, args, &result))
		return result;
	return sys_raw6(nr, a, b, c, d, e, f);
}
#endif

uint64_t sys_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

#define SIGNAL_NAME(name) [SIG##name] = #name
static const char *const signal_names[] = {
	SIGNAL_NAME(HUP),  SIGNAL_NAME(INT),    SIGNAL_NAME(QUIT), SIGNAL_NAME(ILL),  SIGNAL_NAME(TRAP),
	SIGNAL_NAME(ABRT), SIGNAL_NAME(BUS),    SIGNAL_NAME(FPE),  SIGNAL_NAME(KILL), SIGNAL_NAME(USR1),
	SIGNAL_NAME(SEGV), SIGNAL_NAME(USR2),   SIGNAL_NAME(PIPE), SIGNAL_NAME(ALRM), SIGNAL_NAME(TERM),
	SIGNAL_NAME(CHLD), SIGNAL_NAME(CONT),   SIGNAL_NAME(STOP), SIGNAL_NAME(TSTP), SIGNAL_NAME(TTIN),
	SIGNAL_NAME(TTOU), SIGNAL_NAME(URG),    SIGNAL_NAME(XCPU), SIGNAL_NAME(XFSZ), SIGNAL_NAME(VTALRM),
	SIGNAL_NAME(PROF), SIGNAL_NAME(WINCH),  SIGNAL_NAME(IO),   SIGNAL_NAME(PWR),  SIGNAL_NAME(SYS),
};

const char *sys_signal_name(int sig)
{
	return sig > 0 && (size_t)sig < ARRAY_SIZE(signal_names) ? signal_names[sig] : NULL;
}
