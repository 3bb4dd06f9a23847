/* A device of tests that is as far from the host as a GPU: it computes on the CPU, but its memory is
 * closed to everybody except while it works. Host code that reads or writes there dies at the guilty
 * line; a kernel that is given host memory, and a copy whose ends are not where they should be, end
 * the program with a sentence. Memory is handed out full of 0xFF.
 *
 * It is as late as it may be: what comes to the host is 0xFF until sync; copies of their own queue
 * are made when somebody must wait for them, and no event is reached when it is first asked for.
 * Copies that have not been told to wait for the main queue end the program.
 *
 * It takes the place of `cpu` in a program that is linked with far.c and -Wl,--wrap=ts_cpu_open.
 * TESSERA_FAR_FAILS=n in the environment: its n-th launch and all later ones are not carried out. */
#ifndef TS_TESTS_FAR_H
#define TS_TESTS_FAR_H
#include "device/device.h"

/* The same options as ts_cpu_open's. */
ts_status ts_far_open(const ts_device_options *o, ts_device **out) TS_NODISCARD;
#endif
