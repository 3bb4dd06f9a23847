# Fuzz targets (libFuzzer): cmake --preset fuzz. As tests they run a short
# while each (TESSERA_FUZZ_SECONDS) from corpus/<name>.
if(TESSERA_FUZZ)
  set(TESSERA_FUZZ_SECONDS 10 CACHE STRING "seconds that each fuzz target runs as a test")
  # ts_fuzz_test(name libs...): fuzz/fuzz_<name>.c
  function(ts_fuzz_test name)
    add_executable(fuzz_${name} ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/fuzz_${name}.c)
    target_link_libraries(fuzz_${name} PRIVATE ${ARGN})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzz_all fuzz_${name})
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/corpus/${name}) # what is found goes here, not into the source
    add_test(NAME fuzz/${name} COMMAND fuzz_${name} -max_total_time=${TESSERA_FUZZ_SECONDS} -rss_limit_mb=1024 -timeout=5
             ${CMAKE_BINARY_DIR}/corpus/${name} ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name})
  endfunction()
  add_custom_target(fuzz_all)
  ts_fuzz_test(safetensors ts_io)
  ts_fuzz_test(indexed ts_data)
  ts_fuzz_test(json ts_base)
  ts_fuzz_test(checkpoint ts_checkpoint)
  ts_fuzz_test(textfeed ts_data)
  ts_fuzz_test(tokenizer_json ts_text)
  ts_fuzz_test(sentencepiece ts_text)
endif()
