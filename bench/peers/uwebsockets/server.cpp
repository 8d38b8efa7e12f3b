// uWebSockets: an App for each processor, as its EchoServerThreaded has it. What is published goes to the other Apps by
// their loops, as its documentation tells.
//
// SPDX-License-Identifier: MIT
#include "App.h"

#include <mutex>
#include <string>
#include <thread>
#include <vector>

struct Nothing {};

using Socket = uWS::WebSocket<false, true, Nothing>;

static std::mutex mutex;
static std::vector<uWS::App *> apps; // all of them are there before the first one listens

static void publish(uWS::App *own, std::string_view message, uWS::OpCode kind)
{
    own->publish("bench", message, kind);
    for (uWS::App *app : apps)
        if (app != own)
            app->getLoop()->defer([app, kind, text = std::string(message)]() { app->publish("bench", text, kind); });
}

static void serve(int port, size_t count)
{
    uWS::App app;
    app.get("/", [](auto *reply, auto *) { reply->end("Hello, World!"); });
    app.ws<Nothing>("/ws", {.message = [](Socket *socket, std::string_view message, uWS::OpCode kind) {
        socket->send(message, kind);
    }});
    app.ws<Nothing>("/ws/topic/bench", {
        .open = [](Socket *socket) { socket->subscribe("bench"); },
        .message = [&app](Socket *, std::string_view message, uWS::OpCode kind) { publish(&app, message, kind); },
    });
    bool all = false;
    {
        std::lock_guard<std::mutex> lock(mutex);
        apps.push_back(&app);
    }
    while (!all) {
        std::this_thread::yield();
        std::lock_guard<std::mutex> lock(mutex);
        all = apps.size() == count;
    }
    app.listen("127.0.0.1", port, [](auto *listening) {
        if (!listening)
            std::abort();
    });
    app.run();
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const size_t count = std::stoul(argv[2]);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < count; i++)
        threads.emplace_back(serve, std::stoi(argv[1]), count);
    for (std::thread &thread : threads)
        thread.join();
}
