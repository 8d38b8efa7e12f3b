# usage: cmake -DOUTPUT=FILE.c -DFOLDER=DIR -P embed_folder.cmake
# Writes a C source that holds the files that weir new makes, as rows of a table. "gitignore" is there without its dot.
# SPDX-License-Identifier: MIT
set(text "/* Made from the files of src/cli/new. */\n#include \"cli/new.h\"\n")
set(rows "")
set(number 0)
foreach(file CMakeLists.txt main.c routes.c routes.h test.c test.sh Containerfile README.md gitignore)
    file(READ ${FOLDER}/${file} bytes HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
    string(APPEND text "static const unsigned char file_${number}[] = {${bytes}};\n")
    string(REGEX REPLACE "^gitignore$" ".gitignore" name ${file})
    string(APPEND rows "    {\"${name}\", file_${number}, sizeof file_${number}},\n")
    math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUTPUT} "${text}const struct new_file new_files[] = {\n${rows}    {0},\n};\n")
