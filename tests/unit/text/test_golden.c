#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cases.h"

/* Small tokenizers of our own with every part that tokenizer.json and SentencePiece have; made by
 * scripts/golden_tokenizers.py. */
static void all_goldens(void **state)
{
    (void)state;
    char **names = NULL;
    size_t n = 0;
    ts_str folder = { 0 }, cases = { 0 };
    OK(ts_dir_list("tests/golden/text", &names, &n));
    assert_true(n >= 20);
    for (size_t i = 0; i < n; i++) {
        OK(ts_path_join(&folder, "tests/golden/text", names[i]));
        OK(ts_path_join(&cases, folder.s, "cases.jsonl"));
        assert_true(run_cases(folder.s, cases.s) > 200);
        ts_free(&names[i]);
    }
    ts_free(&names);
    ts_str_deinit(&folder);
    ts_str_deinit(&cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(all_goldens) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
