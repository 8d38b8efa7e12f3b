# usage: cmake -DOUTPUT=FILE.c -DFOLDER=DIR -DFILES="NAME FILE;..." [-DINCLUDE=HEADER] -P embed.cmake
# Writes a C source that holds files of a folder as arrays, each by a name and its size by NAME_size. INCLUDE declares
# them; without it the source does.
# SPDX-License-Identifier: MIT
set(text "/* Made from the files of ${FOLDER}. */\n")
if(INCLUDE)
    string(APPEND text "#include \"${INCLUDE}\"\n")
else()
    string(APPEND text "#include <stddef.h>\n")
endif()
foreach(pair IN LISTS FILES)
    separate_arguments(pair)
    list(GET pair 0 name)
    list(GET pair 1 file)
    file(READ ${FOLDER}/${file} bytes HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
    if(NOT INCLUDE)
        string(APPEND text "extern const unsigned char ${name}[];\nextern const size_t ${name}_size;\n")
    endif()
    string(APPEND text
        "const unsigned char ${name}[] = {${bytes}};\nconst size_t ${name}_size = sizeof ${name};\n")
endforeach()
file(WRITE ${OUTPUT} "${text}")
