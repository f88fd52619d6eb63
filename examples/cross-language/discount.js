// The discount on a total, in per cent.
(total) => {
  console.log("a total of", total);
  return total >= 100 ? 10 : 0;
}
