/* What a model takes without training (infer, chat, score, serve): weights, and what its layers keep of texts, of each
 * process of a layout (infer/model_group.h). The simulated device counts what the engine itself asks for. */
#ifndef TS_PLAN_INFERENCE_H
#define TS_PLAN_INFERENCE_H
#include "plan/simulate.h"

#define TS_PLAN_TASKS(W) W(TS_PLAN_TRAIN, "train") W(TS_PLAN_INFER, "infer")
typedef enum ts_plan_task { TS_PLAN_TASKS(TS_CHOICE_VALUE) } ts_plan_task;

typedef struct ts_plan_inference {
    int task;
    int64_t sequences, length; /* texts side by side; tokens of each, 0: as many as the model has positions */
    bool load_in_8bit, load_in_4bit;
} ts_plan_inference;
extern const ts_option ts_plan_inference_rows[];
extern const size_t ts_plan_inference_count;

/* A table, or JSON. Of --load the description is read alone; the options are pretrain's, of which those of the model, of
 * the layout and of types count. */
ts_status ts_plan_inference_text(const ts_job_options *o, const ts_option_set *set, const ts_plan_options *p,
                                 const ts_plan_inference *i, ts_str *out) TS_NODISCARD;
#endif
