/* A model and benchmarks opened for use: the inside of tessera/evaluate.h, shared with the command evaluate. */
#ifndef TS_API_EVALUATE_H
#define TS_API_EVALUATE_H
#include "api/lm_chat.h"
#include "dist/comm.h"
#include "eval/run.h"
#include "tessera/evaluate.h"

/* Options in place, all else zero. */
typedef struct ts_evaluation {
    ts_eval_options o;
    ts_lm_chat_options chat;
    ts_lm lm;
    ts_gen_options go;
    ts_gen_config config;
    ts_chat_template template;
    bool has_template;
    ts_lm_chat encoder;
    ts_str name;
    json_t *report;
} ts_evaluation;
enum { TS_EVALUATION_TABLES = 7 };
/* The tables of its options. */
void ts_evaluation_tables(ts_evaluation *e, ts_option_table tables[TS_EVALUATION_TABLES]);
/* All of it, on every process of comm: e->report, where a model is led from. Whatever it returns, ts_evaluation_end. */
ts_status ts_evaluation_run(ts_evaluation *e, ts_comm *comm) TS_NODISCARD;
void ts_evaluation_end(ts_evaluation *e);
#endif
