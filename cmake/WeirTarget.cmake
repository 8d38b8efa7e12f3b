# What every target of weir is compiled and linked with. A function instead of an interface library, so that none of it
# ends up in the exported package.
# SPDX-License-Identifier: MIT

set(weir_warnings -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wpointer-arith -Wvla -Wundef
    -Wimplicit-fallthrough)
set(weir_warnings_c -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition)
if(WEIR_WERROR)
    list(APPEND weir_warnings -Werror)
endif()

# weir_configure(target [PLAIN])
# PLAIN leaves the sanitizers out: for what is loaded into programs that were built without them.
function(weir_configure target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "PLAIN" "" "")
    set(c_or_cxx $<COMPILE_LANGUAGE:C,CXX>)
    # Defined as nothing, so that a program that defines it as well may. C++ compilers define it by themselves.
    target_compile_definitions(${target} PRIVATE $<$<COMPILE_LANGUAGE:C>:_GNU_SOURCE=>)
    target_compile_options(${target} PRIVATE
        "$<${c_or_cxx}:${weir_warnings}>"
        "$<$<COMPILE_LANGUAGE:C>:${weir_warnings_c}>"
        "$<$<COMPILE_LANG_AND_ID:C,Clang>:-Wthread-safety;-Wthread-safety-beta>"
        $<${c_or_cxx}:-fstack-clash-protection>
        "$<$<COMPILE_LANGUAGE:C>:-fvisibility=hidden;-fno-semantic-interposition>"
        "$<$<CONFIG:Release,RelWithDebInfo>:$<${c_or_cxx}:-fno-plt>>"
        $<$<CONFIG:Debug>:$<${c_or_cxx}:-fno-omit-frame-pointer>>)
    target_compile_definitions(${target} PRIVATE $<$<CONFIG:Debug>:WEIR_DEBUG=1> WEIR_WITH_TLS=$<BOOL:${WEIR_TLS}>
        WEIR_LINKED=$<BOOL:${WEIR_LINKED}> WEIR_WITH_HTTP2=$<BOOL:${WEIR_HTTP2}> WEIR_WITH_ZLIB=$<BOOL:${WEIR_ZLIB}>
        WEIR_WITH_BROTLI=$<BOOL:${WEIR_BROTLI}> WEIR_WITH_ZSTD=$<BOOL:${WEIR_ZSTD}>
        WEIR_WITH_CARES=$<BOOL:${WEIR_CARES}>)
    target_link_options(${target} PRIVATE LINKER:-z,now LINKER:-z,relro LINKER:-z,noexecstack)
    if(WEIR_SANITIZE AND NOT arg_PLAIN)
        target_compile_options(${target} PRIVATE
            "$<${c_or_cxx}:-fsanitize=${WEIR_SANITIZE};-fno-sanitize-recover=all;-fno-omit-frame-pointer>")
        target_link_options(${target} PRIVATE -fsanitize=${WEIR_SANITIZE})
        target_compile_definitions(${target} PRIVATE $<$<NOT:$<CONFIG:Debug>>:WEIR_DEBUG=1>)
    endif()
endfunction()

# weir_programs(files DIRECTORY dir LINK libraries...)
# An executable of each file's name in the build's folder dir.
function(weir_programs files)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "DIRECTORY" "LINK")
    foreach(file IN LISTS files)
        cmake_path(GET file STEM name)
        add_executable(${name} ${file})
        weir_configure(${name})
        set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${arg_DIRECTORY})
        target_link_libraries(${name} PRIVATE ${arg_LINK})
    endforeach()
endfunction()
