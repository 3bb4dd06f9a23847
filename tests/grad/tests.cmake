# Operators' gradients against finite differences: see grad.h.
foreach(subject rows conv matrix attention compress scan product latent streams tape tape_fails)
  add_executable(grad_${subject} ${CMAKE_CURRENT_LIST_DIR}/grad_${subject}.c ${CMAKE_CURRENT_LIST_DIR}/grad.c)
  target_link_libraries(grad_${subject} PRIVATE ts_ops ts_tensor ts_device ts_base m)
  add_test(NAME grad/${subject} COMMAND grad_${subject} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  ts_sanitize(grad/${subject} grad_${subject})
endforeach()
