/* The hardware that a plan is made for: the machine at hand, a preset, or a description in a
 * file. */
#ifndef TS_PLAN_HARDWARE_H
#define TS_PLAN_HARDWARE_H
#include "base/json.h"
#include "device/sim/sim.h"

/* name: NULL or "here", a preset's name, or a JSON file (its path holds a '.' or a '/'). `threads`
 * of each rank's (0: all cores, shared by the ranks of a host). *local_ranks: ranks on a host; 0
 * becomes as many of `ranks` as there are cores. An unknown name is TS_ERR_USER that lists the
 * presets; keys of the file, which describes one rank's part, are those of
 * ts_plan_hardware_json. */
ts_status ts_plan_hardware(const char *name, int threads, int ranks, int *local_ranks,
                           ts_sim_hardware *out) TS_NODISCARD;
/* The description as a JSON object, which can be given back as a file. */
ts_status ts_plan_hardware_json(const ts_sim_hardware *hw, json_t **out) TS_NODISCARD;
#endif
