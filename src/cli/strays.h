/* When somebody kills the reaper from outside, its tree comes to us: the command is the sub-reaper behind it. */
#ifndef CLI_STRAYS_H
#define CLI_STRAYS_H

/* Before the start: whoever loses the reaper becomes our child. */
void strays_adopt(void);

/* After a lost reaper: kills and reaps everybody below us. */
void strays_kill(void);

#endif
