/* Loads a model and lets it write: generate FOLDER PROMPT [OPTION...]
 *
 * FOLDER is a Hugging Face folder or a folder of training checkpoints. Options are those of
 * `tessera infer` that say how to generate, e.g. --max-new-tokens 50 --greedy. A tokenizer that is
 * not in FOLDER is named by the environment variable TOKENIZER. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tessera/model.h>

enum { LONGEST = 20000 };

typedef struct output {
    size_t bytes;
} output;

/* The text as it comes. Returning 1 ends the answer. */
static int on_piece(void *ctx, const ts_lm_piece *piece)
{
    output *out = ctx;
    fwrite(piece->text, 1, piece->n_text, stdout);
    fflush(stdout);
    out->bytes += piece->n_text;
    return out->bytes > LONGEST;
}

static int on_done(void *ctx, const ts_lm_answer *answer)
{
    (void)ctx;
    printf("\n");
    fprintf(stderr, "%zu tokens, ended by %s\n", answer->n_ids,
            answer->is_stopped ? "the text" : "the length");
    return TS_OK;
}

/* How probable the prompt itself is, a token. */
static ts_status show_score(ts_lm *lm, const char *text)
{
    int32_t *ids;
    size_t n;
    ts_status st = ts_lm_encode(lm, text, strlen(text), &ids, &n);
    if (st != TS_OK)
        return st;
    double sum = 0, *logprobs = calloc(n + 1, sizeof *logprobs);
    if (logprobs && n > 1) {
        st = ts_lm_score(lm, ids, n, logprobs, NULL);
        for (size_t i = 1; i < n; i++)
            sum += logprobs[i];
        fprintf(stderr, "the prompt's mean log-probability: %.4f\n", sum / (double)(n - 1));
    }
    free(logprobs);
    ts_memory_free(ids);
    return st;
}

int main(int argc, char **argv)
{
    const char *open_options[] = { "--tokenizer-name-or-path", getenv("TOKENIZER") };
    ts_lm *lm = NULL;
    output out = { 0 };
    const ts_lm_hooks hooks = { sizeof hooks, &out, on_piece, on_done, NULL };
    if (argc < 3) {
        fprintf(stderr, "usage: %s FOLDER PROMPT [OPTION...]\n", argv[0]);
        return 2;
    }
    ts_status st = ts_lm_open(argv[1], open_options, open_options[1] ? 2 : 0, &lm);
    if (st == TS_OK)
        st = show_score(lm, argv[2]);
    if (st == TS_OK) {
        const ts_lm_prompt prompt = { .text = argv[2], .n_text = strlen(argv[2]) };
        st =
            ts_lm_generate(lm, &prompt, 1, (const char *const *)argv + 3, (size_t)argc - 3, &hooks);
    }
    if (st != TS_OK)
        fprintf(stderr, "%s\n", ts_error_message());
    ts_lm_close(&lm);
    return ts_status_exit_code(st);
}
