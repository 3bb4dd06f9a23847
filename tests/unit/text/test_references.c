#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cases.h"

#define DATA "../shared/data/"

/* Real tokenizers against the references of the libraries that they come from. */
static void references(void **state)
{
    static const char *const pair[][2] = {
        { "clip", "clip" },
        { "minilm-bert", "minilm-bert" },
        { "mistral-7b-v0.1", "mistral-7b-v0.1" },
        { "phi-3-mini", "phi-3-mini" },
        { "qwen3", "qwen3" },
        { "roberta-base", "roberta-base" },
        { "t5-small", "t5-small" },
        { "whisper-tiny", "whisper-tiny" },
        { "sentencepiece/llama2-tokenizer.model", "sp-llama2-tokenizer" },
        { "sentencepiece/test_ja_model.model", "sp-test_ja_model" },
        { "sentencepiece/test_model.model", "sp-test_model" },
        { "sentencepiece/tinystories-tok105.model", "sp-tinystories-tok105" },
        { "whisper-tiny/gpt2.tiktoken", "tiktoken-gpt2" },
    };
    (void)state;
    if (!ts_path_exists(DATA "tokenizer-refs")) {
        print_message("skipped: " DATA "tokenizer-refs is not there\n");
        skip();
    }
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++) {
        char tokenizer[160], file[160];
        snprintf(tokenizer, sizeof tokenizer, DATA "tokenizers/%s", pair[i][0]);
        snprintf(file, sizeof file, DATA "tokenizer-refs/%s.dev.jsonl", pair[i][1]);
        assert_true(run_cases(tokenizer, file) > 500);
    }
}

/* Megatron's pair of files: the end-of-text token is a role, but no token in text. */
static void gpt2_pair(void **state)
{
    (void)state;
    if (!ts_path_exists(DATA "tokenizers/gpt2")) {
        print_message("skipped: " DATA "tokenizers/gpt2 is not there\n");
        skip();
    }
    ts_tokenizer *tok = NULL;
    ts_tokenizer_scratch *sc = NULL;
    ts_ids ids = { 0 };
    OK(ts_tokenizer_open_gpt2(DATA "tokenizers/gpt2/vocab.json", DATA "tokenizers/gpt2/merges.txt",
                              &tok));
    OK(ts_tokenizer_scratch_create(tok, &sc));
    assert_int_equal(ts_tokenizer_eos(tok), 50256);
    assert_int_equal(ts_tokenizer_vocab_size(tok), 50257);
    OK(ts_tokenizer_encode(tok, sc, "<|endoftext|>", 13, false, &ids));
    assert_true(ids.n > 1);
    ids.n = 0;
    OK(ts_tokenizer_encode(tok, sc, "Hello world", 11, false, &ids));
    assert_int_equal(ids.n, 2);
    assert_int_equal(ids.v[0], 15496);
    assert_int_equal(ids.v[1], 995);
    ts_tokenizer_scratch_destroy(&sc);
    ts_tokenizer_destroy(&tok);
    OK(ts_tokenizer_open(DATA "tokenizers/gpt2", NULL,
                         &tok)); /* as Hugging Face reads the folder */
    OK(ts_tokenizer_scratch_create(tok, &sc));
    ids.n = 0;
    OK(ts_tokenizer_encode(tok, sc, "<|endoftext|>", 13, false, &ids));
    assert_int_equal(ids.n, 1);
    ts_ids_deinit(&ids);
    ts_tokenizer_scratch_destroy(&sc);
    ts_tokenizer_destroy(&tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(references), cmocka_unit_test(gpt2_pair) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
