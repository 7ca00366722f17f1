# Embeds kernels/*.cl in the library as C arrays, by CMake alone: no script language is needed to
# build. The same file runs as a script (cmake -P) at build time, so that an edited kernel is
# embedded anew.

if(CMAKE_SCRIPT_MODE_FILE)
    # -DOUTPUT=file.c -DROOT=kernels/ -DKERNELS=a.cl;b.cl
    set(arrays "")
    set(table "")
    set(number 0)
    foreach(kernel IN LISTS KERNELS)
        file(RELATIVE_PATH name ${ROOT} ${kernel})
        file(READ ${kernel} hex HEX)
        string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
        string(REGEX REPLACE "((0x[0-9a-f][0-9a-f],){20})" "\\1\n" bytes "${bytes}")
        string(APPEND arrays "static const char source_${number}[] = {${bytes}0};\n")
        string(APPEND table "    {\"${name}\", source_${number}, sizeof source_${number} - 1},\n")
        math(EXPR number "${number} + 1")
    endforeach()
    file(WRITE ${OUTPUT}
        "/* Generated from kernels/ by cmake/EmbedKernels.cmake. */\n"
        "#include \"opencl/embedded.h\"\n\n"
        "${arrays}\nconst bp__embedded bp__embedded_kernels[] = {\n${table}    {0, 0, 0},\n};\n")
    return()
endif()

set(BACKPROP_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

# Sets EMBEDDED_KERNELS_SOURCE to the generated file that holds the given kernels.
function(backprop_embed_kernels output)
    set(generated ${PROJECT_BINARY_DIR}/${output})
    add_custom_command(
        OUTPUT ${generated}
        COMMAND ${CMAKE_COMMAND} -DOUTPUT=${generated} -DROOT=${PROJECT_SOURCE_DIR}/kernels
            "-DKERNELS=${ARGN}" -P ${BACKPROP_EMBED_SCRIPT}
        DEPENDS ${ARGN} ${BACKPROP_EMBED_SCRIPT}
        COMMENT "Embedding kernels"
        VERBATIM)
    set(EMBEDDED_KERNELS_SOURCE ${generated} PARENT_SCOPE)
endfunction()
