# A kernel file is compiled for the instruction set that its name ends in; everything else is plain x86-64
# (or whatever the machine is). Which of them runs is decided at run time (src/device/isa.h).
# Loops begin at a line of the cache: where the linker happens to put a micro-kernel was worth 7 % of a training step.
function(ts_isa_flags)
  set(level -O3)
  if(TESSERA_SANITIZE)
    set(level -O1) # instrumented kernels take minutes to optimise
  endif()
  set(wide ${level}) # vectors of 512 bits
  if(TESSERA_SANITIZE)
    # gemm_avx512.c alone takes a minute with them. Arithmetic is looked at in the portable twin, which has the same body,
    # and where kernels read and write in that of AVX2, which runs on every machine with it (src/device/isa.c).
    string(APPEND level " -fno-sanitize=undefined")
    string(APPEND wide " -fno-sanitize=all")
  endif()
  foreach(file ${ARGN})
    if(file MATCHES "_avx2\\.c$")
      set(flags "-mavx2 -mfma -mf16c ${level}")
    elseif(file MATCHES "_avx512\\.c$")
      set(flags "-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c -mprefer-vector-width=512 ${wide}")
    elseif(file MATCHES "_bf16\\.c$")
      set(flags "-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mavx2 -mfma -mf16c -mprefer-vector-width=512 ${wide}")
    elseif(file MATCHES "_vnni\\.c$")
      set(flags "-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx2 -mfma -mf16c -mprefer-vector-width=512 ${wide}")
    elseif(file MATCHES "_amx\\.c$")
      set(flags "-mamx-tile -mamx-bf16 -mamx-int8 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mavx2 -mfma -mf16c -mprefer-vector-width=512 ${wide}")
    else()
      continue()
    endif()
    set_source_files_properties(${file} PROPERTIES COMPILE_FLAGS "${flags} -falign-loops=64")
  endforeach()
endfunction()
