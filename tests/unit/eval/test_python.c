/* Programs that a model wrote: what passes, what does not, and what they cannot do. */
#include "eval/python.h"

#include "../cmocka_all.h"
#include "../temp.h"

#include <string.h>
#include <unistd.h>

static ts_python python;
static temp dir;

static bool passes(const char *program, double seconds)
{
    bool is = false;
    OK(ts_python_passes(&python, program, strlen(program), seconds, &is));
    return is;
}

static int open_python(void **state)
{
    (void)state;
    temp_make(&dir);
    return ts_python_open(&python) == TS_OK ? 0 : 1;
}

static int close_python(void **state)
{
    (void)state;
    temp_remove(&dir);
    ts_python_close(&python);
    return 0;
}

static void judges_as_code_eval_does(void **state)
{
    (void)state;
    assert_true(passes("def f(x):\n    return x + 1\nassert f(1) == 2\n", 10));
    assert_false(passes("assert 1 == 2\n", 10));
    assert_false(passes("import os\nos._exit(0)\n", 10));
    assert_false(passes("def f(:\n", 10));
    assert_true(passes("print('out', flush=True)\nassert __name__ != '__main__'\n", 10));
    assert_false(passes("while True:\n    pass\n", 0.3));
}

/* Each program ends well only where what it tries is refused. */
static void is_apart(void **state)
{
    char program[512];
    (void)state;
    assert_true(passes("import socket\ntry:\n    socket.socket()\nexcept OSError:\n    pass\nelse:\n    1 / 0\n", 10));
    assert_true(passes("try:\n    x = bytearray(3 << 30)\nexcept MemoryError:\n    pass\nelse:\n    1 / 0\n", 10));
    assert_true(passes("import os\nopen('mine', 'w').write('x')\nassert os.environ.get('HOME') == '.'\n", 10));
    assert_true(passes("import os\nassert not os.path.exists('mine')\nassert sorted(map(int, os.listdir('/proc/self/fd')))"
                       "[:4] == [0, 1, 2, 3] and len(os.listdir('/proc/self/fd')) <= 5\n",
                       10)); /* one is the folder's own */
    snprintf(program, sizeof program,
             "import os\ntry:\n    open('%s/theirs', 'w')\nexcept OSError:\n    pass\n", dir.dir);
    assert_true(passes(program, 10));
    if (access("/sys/kernel/security/landlock", F_OK) == 0)
        assert_false(ts_path_exists(temp_path(&dir, "theirs")));
}

/* What a program leaves running ends with it. */
static void leaves_nothing_running(void **state)
{
    char program[512];
    (void)state;
    snprintf(program, sizeof program,
             "import os, time\nif os.fork() == 0:\n    time.sleep(0.2)\n    open('late', 'w')\n    os._exit(0)\n");
    assert_true(passes(program, 10));
    usleep(400000);
    ts_str late = { 0 };
    OK(ts_path_join(&late, python.folder.s, "late"));
    assert_false(ts_path_exists(late.s));
    ts_str_deinit(&late);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(judges_as_code_eval_does), cmocka_unit_test(is_apart),
                                        cmocka_unit_test(leaves_nothing_running) };
    if (system("python3 -c '' >/dev/null 2>&1"))
        return 77;
    return cmocka_run_group_tests(tests, open_python, close_python);
}
