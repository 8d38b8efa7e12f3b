# Flags as those of the library's own build.c and Makefile.
TOP = vendor/libuwebsockets-sys/uWebSockets

server: server.cpp usockets.o
	g++ -march=native -O3 -flto -std=c++20 -DUWS_NO_ZLIB -DLIBUS_NO_SSL -I$(TOP)/src -I$(TOP)/uSockets/src -o $@ server.cpp objects/*.o -pthread

usockets.o:
	mkdir -p objects
	cd objects && gcc -march=native -O3 -flto -std=c11 -D_GNU_SOURCE -DLIBUS_NO_SSL -I../$(TOP)/uSockets/src -c ../$(TOP)/uSockets/src/*.c ../$(TOP)/uSockets/src/eventing/epoll_kqueue.c
