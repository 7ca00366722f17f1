/* stop.h - how a signal ends work that takes long: at its next step, or at once when asked twice.
 */
#ifndef CLI_STOP_H
#define CLI_STOP_H

/* From now on SIGINT, SIGTERM and SIGHUP are only noted. */
void cli_stop_catch(void);

/* The signal that has come, or 0. */
int cli_stop_signal(void);

#endif
