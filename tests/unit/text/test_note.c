/* The note by which a checkpoint's files make its tokenizer: it opens files of its folder alone. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "text/tokenizer_files.h"

#include <string.h>

/* The options that a note's "options" stand for; text NULL: refused with `what` in the sentence. */
static void note_is(const char *options, const char *model, const char *what)
{
    ts_text_options o;
    ts_option_set *set = NULL;
    json_t *note = json_object(), *v = json_loads(options, 0, NULL);
    assert_non_null(v);
    json_object_set_new(note, "options", v);
    const ts_status st = ts_tokenizer_files_options(note, "run/iter_1", &o, &set);
    if (what) {
        assert_int_equal(st, TS_ERR_USER);
        assert_non_null(strstr(ts_error_message(), what));
    } else {
        assert_int_equal(st, TS_OK);
        assert_string_equal(o.model ? o.model : "", model);
    }
    ts_option_set_destroy(&set);
    json_decref(note);
}

static void files_of_the_folder(void **state)
{
    (void)state;
    note_is("{\"tokenizer-type\": \"Llama2Tokenizer\", \"tokenizer-model\": \"tokenizer.model\"}",
            "run/iter_1/tokenizer.model", NULL);
    note_is("{\"tokenizer-model\": \".\", \"vocab-size\": 7, \"tokenizer-kwargs\": [\"a\", \"b\"]}",
            "run/iter_1", NULL);
    /* A text is the option's value, whatever it looks like. */
    note_is("{\"tokenizer-type\": \"--tokenizer-model\"}", "", NULL);
}

static void files_elsewhere(void **state)
{
    (void)state;
    note_is("{\"tokenizer-model\": \"../../other\"}", NULL, "not the plain name of a file");
    note_is("{\"tokenizer-model\": \"/etc/passwd\"}", NULL, "not the plain name of a file");
    note_is("{\"vocab-file\": \"..\"}", NULL, "not the plain name of a file");
    note_is("{\"merge-file\": \"\"}", NULL, "not the plain name of a file");
    note_is("{\"tokenizer-model\": [\"../../other\"]}", NULL, "tokenizer-model is not a list");
    note_is("{\"tokenizer_model\": \"../../other\"}", NULL, "tokenizer_model is no option");
    note_is("{\"tokenizer-kwargs\": \"eos_token\"}", NULL, "tokenizer-kwargs is a list");
    note_is("{\"tokenizer-model=/etc/passwd\": []}", NULL, "is no option");
    note_is("{\"tokenizer-model=/etc/passwd\": \"x\"}", NULL, "is no option");
    note_is("{\"tokenizer-kwargs\": [\"a\", \"--tokenizer-model\", \"/etc/passwd\"]}", NULL,
            "an entry that is no word");
    note_is("{\"tokenizer-kwargs\": [1]}", NULL, "an entry that is no word");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(files_of_the_folder),
                                        cmocka_unit_test(files_elsewhere) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
