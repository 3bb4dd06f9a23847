/* Options of captures of a run: what is recorded, when, by whom, and where it goes. */
#ifndef TS_TRAIN_PROFILE_OPTIONS_H
#define TS_TRAIN_PROFILE_OPTIONS_H
#include "base/option.h"
#include "base/timeline.h"

#define TS_PROFILE_LEVELS(W)                                                                       \
    W(TS_PROFILE_MODULES, "level0")                                                                \
    W(TS_PROFILE_KERNELS, "level1")                                                                \
    W(TS_PROFILE_COSTS, "level2")
typedef enum ts_profile_level { TS_PROFILE_LEVELS(TS_CHOICE_VALUE) } ts_profile_level;

typedef struct ts_profile_options {
    bool on;
    int64_t step_start, step_end; /* iterations that are done before it, and at its end; -1: that of the run */
    ts_option_list ranks;         /* words; none, or -1: all */
    const char *save_path;
    int level; /* TS_PROFILE_* */
    bool with_cpu, with_stack, with_memory, record_shapes;
    bool op_flops; /* count what products execute */
    bool memory_report;
    int64_t report_from, report_to; /* iterations; to -1: the run's last */
    const char *trigger_file; /* NULL: none is watched */
    int64_t trigger_steps;
} ts_profile_options;
extern const ts_option ts_profile_option_rows[];
extern const size_t ts_profile_option_count;

/* What they say together, and of the ranks of a job of `size`: TS_ERR_USER. */
ts_status ts_profile_options_check(const ts_profile_options *o, int size) TS_NODISCARD;
/* Whether rank `rank` is chosen; once checked. */
bool ts_profile_chooses(const ts_profile_options *o, int rank);
ts_timeline_detail ts_profile_detail(const ts_profile_options *o);
/* Warns of options that are of no use, since nothing is captured. */
void ts_profile_options_warn(const ts_profile_options *o, const ts_option_set *set);
#endif
