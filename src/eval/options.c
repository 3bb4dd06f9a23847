#include "eval/options.h"

#define ROW(type, field, name, def, lo, hi, choices, help)                                                   \
    TS_ROW(type, ts_eval_options, field, name, def, lo, hi, choices, "evaluation", help)
const ts_option ts_eval_rows[] = {
    ROW(LIST, task, "task", NULL, 0, 0, NULL,
        "benchmarks (docs/evaluation.md has the list), or files that describe one (.yaml, .json)"),
    ROW(TEXT, data_path, "task-data-path", NULL, 0, 0, NULL, "the folder of the benchmark's files"),
    ROW(CHOICE, rule, "eval-rule", "lm-eval", 0, 0, TS_CHOICES(TS_EVAL_RULES),
        "how prompts are written and answers judged: lm-evaluation-harness's way, or MindSpeed LLM's"),
    ROW(INT, num_fewshot, "num-fewshot", "-1", -1, 1000, NULL,
        "examples in front of a question (-1: as many as the task says)"),
    ROW(INT, max_new_tokens, "max-new-tokens", "0", 0, 1 << 20, NULL,
        "length of written answers (0: the task's)"),
    ROW(INT, max_samples, "max-eval-samples", "0", 0, 1 << 30, NULL,
        "the first so many of each subject (0: all)"),
    ROW(INT, batch, "batch-size", "16", 1, TS_ENGINE_MOST_SLOTS - 1, NULL,
        "sequences side by side; changes speed, and results by no more than rounding"),
    ROW(INT, batch, "evaluation-batch-size", "16", 1, TS_ENGINE_MOST_SLOTS - 1, NULL, "as --batch-size"),
    ROW(FLAG, chat, "apply-chat-template", NULL, 0, 0, NULL,
        "questions are conversations, by the chat template of the model's folder (or --prompt-type)"),
    ROW(FLAG, multiturn, "fewshot-as-multiturn", NULL, 0, 0, NULL,
        "of conversations: each example is a question and an answer of its own; so it is anyway"),
    ROW(FLAG, one_turn, "no-fewshot-as-multiturn", NULL, 0, 0, NULL,
        "of conversations: all examples are part of one question"),
    ROW(TEXT, system, "system-instruction", NULL, 0, 0, NULL, "a text in front of the task's description"),
    ROW(TEXT, output, "output", NULL, 0, 0, NULL,
        "JSON lines, one a sample; what was judged so far is kept in FILE.part, from which the same command goes on"),
    ROW(FLAG, json, "json", NULL, 0, 0, NULL, "results as JSON on the standard output"),
};
const size_t ts_eval_row_count = sizeof ts_eval_rows / sizeof *ts_eval_rows;
