// Scenarios by the WebSocket client `ws`. Each line of standard input is one, as JSON: {scenario, url, protocols, own,
// options}, where own is the scenario's own and options are those of ws. What came of it is a line of standard output:
// {result} or, where something is wrong, {error}.
//
// SPDX-License-Identifier: MIT
"use strict";

const assert = require("assert");
const readline = require("readline");
const WebSocket = require("ws");

// An open socket, whose messages are taken one after the other: [data, whether it is binary].
class Client {
    static open(asked) {
        return new Promise((resolve, reject) => {
            const client = new Client(asked);
            client.socket.on("open", () => resolve(client));
            client.socket.on("error", reject);
        });
    }

    constructor({url, protocols, options}) {
        this.socket = new WebSocket(url, protocols, options);
        this.messages = [];
        this.waiting = null;
        this.socket.on("upgrade", reply => this.agreed = reply.headers["sec-websocket-extensions"] || "");
        this.socket.on("message", (data, binary) => {
            this.messages.push([data, binary]);
            if (this.waiting)
                this.waiting();
        });
        this.closed = new Promise(resolve => this.socket.on("close", (code, reason) => resolve([code, reason.toString()])));
    }

    async message() {
        while (this.messages.length === 0)
            await new Promise(resolve => this.waiting = resolve);
        return this.messages.shift();
    }

    async expect(data) {
        const binary = typeof data !== "string", [got, is] = await this.message();
        assert.strictEqual(is, binary);
        assert.ok(got.equals(Buffer.from(data)), `${got.length} bytes for ${data.length}`);
    }

    event(name) {
        return new Promise(resolve => this.socket.once(name, resolve));
    }

    async close(code, reason) {
        this.socket.close(code, reason);
        return await this.closed;
    }
}

// An error instead of a wait without end.
function within(seconds, promise) {
    let timer;
    const late = new Promise((_, reject) => timer = setTimeout(() => reject(new Error("it takes too long")), seconds * 1000));
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const sentence = "Ein Würfel, drei Bäume, κόσμε, 日本語 and so on. ";
const letters = size => sentence.repeat(size / sentence.length + 1).slice(0, size);

const scenarios = {
    // Messages of many sizes, whole and in fragments, and the client's Close.
    async echo(asked) {
        const client = await Client.open(asked), {socket} = client;
        for (const size of [0, 1, 125, 126, 127, 4096, 65535, 65536, 300000]) {
            socket.send(letters(size));
            await client.expect(letters(size));
            const data = Buffer.alloc(size, "0123456789");
            socket.send(data);
            await client.expect(data);
        }
        const large = Buffer.alloc(1 << 20, "the largest that is taken ");
        socket.send(large);
        await client.expect(large);
        socket.send("in ", {fin: false});
        socket.ping("between");
        socket.send("three ", {fin: false});
        socket.send("fragments", {fin: true});
        assert.strictEqual((await client.event("pong")).toString(), "between");
        await client.expect("in three fragments");
        return {agreed: client.agreed, protocol: socket.protocol, closed: await client.close(4001, "bye")};
    },

    // Many messages at once, small and large in turn.
    async burst(asked) {
        const client = await Client.open(asked), {socket} = client;
        const burst = [...Array(500).keys()].map(i => `${i} ${letters(i % 50 ? i % 200 : 20000)}`);
        for (const one of burst)
            socket.send(one);
        for (const one of burst)
            await client.expect(one);
        return {closed: await client.close(1000)};
    },

    // The server's Pings, which ws answers by itself, so that the socket goes on.
    async pinged(asked) {
        const client = await Client.open(asked), {socket} = client;
        for (let i = 0; i < 3; i++)
            await client.event("ping");
        socket.send("still there");
        await client.expect("still there");
        return {closed: await client.close(1000)};
    },

    // What the server closes with, when the client has said so.
    async closes(asked) {
        const client = await Client.open(asked);
        client.socket.send(asked.own.say.repeat(asked.own.times || 1));
        return {closed: await client.closed, messages: client.messages.length};
    },

    // A client that goes without a Close.
    async terminates(asked) {
        const client = await Client.open(asked);
        client.socket.terminate();
        return {closed: await client.closed};
    },

    // The status of a handshake that is refused.
    async refused(asked) {
        const socket = new WebSocket(asked.url, asked.protocols, asked.options);
        return await new Promise((resolve, reject) => {
            socket.on("unexpected-response", (request, reply) => resolve({status: reply.statusCode}));
            socket.on("open", () => reject(new Error("it was opened")));
        });
    },

    // How many bytes a text of so many takes on the wire, in each direction, the first time and again.
    async sizes(asked) {
        const client = await Client.open(asked), {socket} = client, wire = socket._socket;
        const text = [...Array(asked.own.lines).keys()].map(i => `line ${i * i % 977}, ${i}\n`).join(""), taken = [];
        for (let i = 0; i < 2; i++) {
            const sent = wire.bytesWritten, received = wire.bytesRead;
            await new Promise(resolve => socket.send(text, resolve));
            await client.expect(text);
            taken.push([wire.bytesWritten - sent, wire.bytesRead - received]);
        }
        return {agreed: client.agreed, plain: text.length, taken, closed: await client.close(1000)};
    },
};

readline.createInterface({input: process.stdin}).on("line", async line => {
    const asked = JSON.parse(line);
    const said = await within(30, scenarios[asked.scenario](asked)).then(result => ({result}), error => ({error: error.stack}));
    process.stdout.write(JSON.stringify(said) + "\n");
}).on("close", () => process.exit(0));
