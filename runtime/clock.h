/* Milliseconds for reports; never read by fi_plan and fi_run. */
#ifndef RUNTIME_CLOCK_H
#define RUNTIME_CLOCK_H

/* Since some fixed time. */
double clock_ms(void);

#endif
