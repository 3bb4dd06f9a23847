/* From a text to a small model: train TEXT FOLDER [OPTION...]
 *
 * Learns a tokenizer from TEXT (FOLDER/tokenizer), turns it into tokens (FOLDER/text_text_document),
 * says what training will need, trains a few steps, and writes FOLDER/model, which `generate`
 * reads. Options are those of `tessera pretrain`, and stronger than the ones in here. */
#include <stdio.h>
#include <stdlib.h>
#include <tessera/tessera.h>

enum { ROOM = 4096, MOST_OPTIONS = 256 };
#define N(array) (sizeof(array) / sizeof *(array))

typedef struct paths {
    char tokenizer[ROOM], prefix[ROOM], data[ROOM], model[ROOM];
} paths;

static ts_status prepare(const char *text, const paths *p)
{
    const char *learn[] = { "--input", text, "--output", p->tokenizer, "--vocab-size 512" };
    const char *convert[] = {
        "--input",    text,          "--output-prefix", p->prefix, "--tokenizer-name-or-path",
        p->tokenizer, "--append-eod"
    };
    ts_preprocess_totals totals;
    ts_status st = ts_tokenizer_train(learn, N(learn));
    if (st == TS_OK)
        st = ts_data_preprocess(convert, N(convert), &totals);
    if (st == TS_OK)
        printf("%lld documents, %lld tokens\n", (long long)totals.documents,
               (long long)totals.tokens);
    return st;
}

/* Called after each step; a loss this low ends the run early. */
static unsigned on_step(void *ctx, const ts_train_step *s)
{
    (void)ctx;
    printf("step %lld of %lld: loss %.4f, lr %.2e, gradient norm %.3f, %.0f tokens/s\n",
           (long long)s->iteration, (long long)s->train_iters, s->loss, s->lr, s->grad_norm,
           s->tokens_per_second);
    return s->loss < 0.1 ? TS_TRAIN_STOP : TS_TRAIN_GO_ON;
}

static ts_status plan(const char *const *options, size_t n)
{
    ts_forecast *f;
    const ts_status st = ts_forecast_make(options, n, &f);
    if (st != TS_OK)
        return st;
    const ts_forecast_figures *g = ts_forecast_get(f);
    printf("%lld parameters, %.1f MB at most, about %.3f s a step\n", (long long)g->parameters,
           (double)g->peak_bytes * 1e-6, g->step_seconds);
    ts_forecast_free(&f);
    return TS_OK;
}

static ts_status train(const char *const *options, size_t n, const char *folder)
{
    ts_training *t;
    ts_status st = ts_training_open(options, n, &t);
    if (st != TS_OK)
        return st;
    st = ts_training_run(t, on_step, NULL);
    if (st == TS_OK)
        st = ts_training_save_hf(t, folder, NULL);
    if (st == TS_OK)
        printf("wrote %s\n", folder);
    ts_training_close(&t);
    return st;
}

int main(int argc, char **argv)
{
    static paths p;
    const char *options[MOST_OPTIONS] = {
        "--num-layers 2",
        "--hidden-size 64",
        "--num-attention-heads 4",
        "--ffn-hidden-size 128",
        "--swiglu",
        "--normalization RMSNorm",
        "--position-embedding-type rope",
        "--disable-bias-linear",
        "--max-position-embeddings 64",
        "--seq-length 64",
        "--micro-batch-size 4",
        "--global-batch-size 8",
        "--train-iters 20",
        "--lr 3e-3",
        "--split 100,0,0",
        "--eval-iters 0",
        "--log-level warning",
        "--log-interval 1000",
        "--tokenizer-name-or-path",
        p.tokenizer,
        "--data-path",
        p.data,
    };
    size_t n = 0;
    if (argc < 3) {
        fprintf(stderr, "usage: %s TEXT FOLDER [OPTION...]\n", argv[0]);
        return 2;
    }
    snprintf(p.tokenizer, sizeof p.tokenizer, "%s/tokenizer", argv[2]);
    snprintf(p.prefix, sizeof p.prefix, "%s/text", argv[2]);
    snprintf(p.data, sizeof p.data, "%s/text_text_document", argv[2]);
    snprintf(p.model, sizeof p.model, "%s/model", argv[2]);
    while (options[n])
        n++;
    for (int i = 3; i < argc && n < MOST_OPTIONS; i++)
        options[n++] = argv[i];
    ts_log_to(TS_LOG_WARN, NULL, NULL);
    ts_status st = prepare(argv[1], &p);
    if (st == TS_OK)
        st = plan(options, n);
    if (st == TS_OK)
        st = train(options, n, p.model);
    if (st != TS_OK)
        fprintf(stderr, "%s\n", ts_error_message());
    return ts_status_exit_code(st);
}
