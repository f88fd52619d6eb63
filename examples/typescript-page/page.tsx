/** @jsx element */
import type { Handler, HttpEvent } from "thimble-sdk";

enum Size { Small = 1, Large = 2 }

interface Order {
  item: string;
  size: keyof typeof Size;
}

type Child = string | number | Child[];

// What an element becomes: HTML text. Any library with such a function does as well.
function element(tag: string, attributes: Record<string, unknown> | null, ...children: Child[]): string {
  const shown = Object.entries(attributes ?? {}).map(([name, value]) => ` ${name}="${value}"`).join("");
  return `<${tag}${shown}>${children.flat(9).join("")}</${tag}>`;
}

class Receipt {
  constructor(private readonly order: Order, readonly price = 4) {}

  get total(): number {
    const size = Size[this.order.size];
    if (size === undefined) {
      throw new RangeError(`there is no size ${this.order.size}`);
    }
    return this.price * size;
  }
}

export const handler: Handler<HttpEvent> = (event) => {
  const order = event.query as unknown as Order;
  const receipt = new Receipt(order);
  const body = (
    <ul class="receipt">
      <li>{order.item}</li>
      <li>{receipt.total} EUR</li>
    </ul>
  );
  return { statusCode: 200, headers: { "Content-Type": "text/html" }, body };
};

// For editors and tsc: every tag may be written.
declare global {
  namespace JSX {
    type Element = string;
    interface IntrinsicElements { [tag: string]: Record<string, unknown> }
  }
}
