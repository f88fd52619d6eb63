"use strict";

const { cache, context, functions, log } = require("./host.cjs");
const { Logger } = require("./logger.cjs");
const { Metrics } = require("./metrics.cjs");
const { Secrets, secrets } = require("./secrets.cjs");
const { Span, Tracer, parseTraceparent } = require("./tracer.cjs");

module.exports = { Logger, Metrics, Secrets, Span, Tracer, cache, context, functions, log, parseTraceparent, secrets };
