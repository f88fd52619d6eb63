// Asks the service at RATES_URL for exchange rates and converts an amount of euros.
exports.handler = async (event, context) => {
  const response = await fetch(process.env.RATES_URL, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`the rates came with status ${response.status}`);
  const { rates } = await response.json();
  const rate = rates[event.currency];
  if (rate === undefined) throw new RangeError("there is no rate for this currency");
  console.log(`${context.functionName}: 1 EUR is ${rate} ${event.currency}`);
  return { amount: event.euros * rate, currency: event.currency };
};
