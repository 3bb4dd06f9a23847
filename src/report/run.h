/* What a run left behind: its metrics, event files, log and checkpoints. Nothing of it is trusted: what
 * cannot be read is a note that names the file and the line, and the rest counts. */
#ifndef TS_REPORT_RUN_H
#define TS_REPORT_RUN_H
#include "base/json.h"
#include "report/series.h"

/* Where a run began again. */
typedef struct ts_seam {
    int64_t at;   /* the first step of the new attempt */
    int64_t back; /* steps that were done before and are forgotten; 0: it went on where it was */
} ts_seam;

typedef struct ts_run_checkpoint {
    int64_t iteration, world_size;
    double bytes;
    char *saved_at;
} ts_run_checkpoint;

typedef struct ts_report_run {
    char *name, *path; /* users' texts */
    ts_series_list series;
    int64_t first, last; /* steps; 0: none */
    ts_seam *seams;
    size_t n_seams, cap_seams;
    ts_run_checkpoint *checkpoints; /* [n] by iteration */
    size_t n_checkpoints;
    int64_t world_size; /* of the last checkpoint; 0: not known */
    json_t *options;    /* of the last checkpoint, an object; NULL: not known */
    json_t *plan;       /* of --plan, an object; NULL: none */
    char **notes;       /* warnings of the log, lines that cannot be read */
    size_t n_notes, cap_notes;
    int64_t n_more; /* notes beyond TS_REPORT_MOST_NOTES, not kept */
} ts_report_run;

enum { TS_REPORT_MOST_NOTES = 200 };
#define TS_REPORT_MOST_STEPS INT64_C(1000000000000000) /* what has a higher number is no step */

/* Zero-initialised or filled. */
void ts_report_run_deinit(ts_report_run *r);
ts_status ts_report_note(ts_report_run *r, const char *fmt, ...) TS_PRINTF(2, 3) TS_NODISCARD;

/* A step's line of metrics, an object; where it goes back behind a step that is there, that and what
 * followed is forgotten. name: FILE:LINE for notes. */
ts_status ts_report_take_line(ts_report_run *r, const json_t *line, const char *name) TS_NODISCARD;
/* The metrics of one file (JSON lines, --metrics-jsonl) behind those that are there. TS_ERR_USER: it
 * cannot be opened, or none of its lines is a step's. */
ts_status ts_report_read_metrics(ts_report_run *r, const char *path) TS_NODISCARD;
/* A RUN of the command line: a file of metrics, an event file, or a folder. Of a folder all files of
 * metrics (*.jsonl) are read, which must be attempts at one run, the event files where there are none,
 * logs (*.log) for their warnings and checkpoints for the options; the same in folders within it. */
ts_status ts_report_read_run(ts_report_run *r, const char *path) TS_NODISCARD;

/* Values of an event file, under the names that the metrics have for them. */
ts_status ts_report_read_events(ts_report_run *r, const char *path) TS_NODISCARD;
#endif
