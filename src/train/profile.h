/* Captures of a run: some of its steps, as each chosen process saw them. All ranks begin and end a capture at the
 * same steps. Each chosen one writes DIR/steps-A-B.rank-R.json, a trace (base/timeline_trace.h), and the first of
 * them DIR/steps-A-B.summary.json, what all have added up; its log has the same as a table. A file that cannot be
 * written is told and does not end the run. */
#ifndef TS_TRAIN_PROFILE_H
#define TS_TRAIN_PROFILE_H
#include "dist/mesh.h"
#include "train/profile_options.h"

typedef struct ts_profile ts_profile;

/* Borrows all of it. The communicators of the mesh and the device leave their marks on the timeline. Without
 * --profile and --profile-trigger-file *out is NULL, which the others take for nothing to do. Makes the folder:
 * collective. */
ts_status ts_profile_create(const ts_profile_options *o, ts_timeline *timeline, const ts_mesh *mesh,
                            ts_profile **out) TS_NODISCARD;
void ts_profile_destroy(ts_profile **p);

/* Before the step `iteration`: begins a capture where its time has come. Collective then. */
ts_status ts_profile_before(ts_profile *p, int64_t iteration) TS_NODISCARD;
/* Whether this rank sees the file that asks for a capture: told to all with the step's results. */
bool ts_profile_is_asked(const ts_profile *p);
/* After it; asked: some rank has seen the file. Ends a capture whose last step it was. Collective then. */
ts_status ts_profile_after(ts_profile *p, int64_t iteration, bool asked) TS_NODISCARD;
/* The run is over: a capture that goes on ends with it. Collective. */
ts_status ts_profile_finish(ts_profile *p) TS_NODISCARD;
#endif
