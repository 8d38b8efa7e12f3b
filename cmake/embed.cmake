# usage: cmake -DOUTPUT=FILE.c -DFOLDER=DIR -P embed.cmake
# Writes a C source that holds the files of the ledger's page as arrays.
# SPDX-License-Identifier: MIT
set(text "/* Made from the files of the page. */\n#include \"server/page.h\"\n")
foreach(pair "page_html page.html" "page_css page.css" "page_js page.js" "page_icon page.svg")
    separate_arguments(pair)
    list(GET pair 0 name)
    list(GET pair 1 file)
    file(READ ${FOLDER}/${file} bytes HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
    string(APPEND text
        "const unsigned char ${name}[] = {${bytes}};\nconst size_t ${name}_size = sizeof ${name};\n")
endforeach()
file(WRITE ${OUTPUT} "${text}")
