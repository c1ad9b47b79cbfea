/* The text that gpusim_report gives out: the first fault of a launch, or why a module or a setting was refused. */
#ifndef GPUSIM_MACHINE_REPORT_H
#define GPUSIM_MACHINE_REPORT_H

#include <stdbool.h>
#include <stddef.h>

enum { SIM_REPORT_BYTES = 2048 };

void sim_report_set(const char *text, bool quiet);
void sim_report_clear(void);

#endif
