// Takes an order, has it priced in Python, and writes the line that the customer reads.
export default async function quote({ items }) {
  const { total, discount } = await price({ items });
  return `${total.toFixed(2)} (after ${discount} % off)`;
}
