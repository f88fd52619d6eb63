// The workspace's secrets. They can be read while a function runs, not while its module is loaded.
"use strict";

const { host } = require("./host.cjs");

class Secrets {
  // The value, or undefined where there is no secret of that name.
  get(name) { return host().secrets.get(name); }

  // The value; an error that names the secret where it is missing.
  require(name) {
    const value = this.get(name);
    if (value === undefined) throw new Error(`the workspace has no secret "${name}": set it by PUT …/secrets/${name}`);
    return value;
  }

  // The value, parsed as JSON.
  json(name) {
    try {
      return JSON.parse(this.require(name));
    } catch (error) {
      // A message of the parser would show a part of the secret.
      if (error instanceof SyntaxError) throw new Error(`the secret "${name}" is not JSON`);
      throw error;
    }
  }
}

module.exports = { Secrets, secrets: new Secrets() };
