// `cluster`: a function is the primary, and has no workers.
"use strict";
const EventEmitter = require("node:events");
const { refuse } = require("thimble:node-errors");
const instead = "the server runs as many instances of a function as are called";
class Worker extends EventEmitter {}
module.exports = Object.assign(new EventEmitter(), {
  isPrimary: true, isMaster: true, isWorker: false, workers: {}, settings: {}, SCHED_NONE: 1, SCHED_RR: 2, schedulingPolicy: 2, Worker,
  setupPrimary() {}, setupMaster() {}, fork: refuse("cluster.fork", instead), disconnect(done) { if (done) process.nextTick(done); },
});
