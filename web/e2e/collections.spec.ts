import { expect, ids, test } from "./world";

test("a collection is created, filled by a drop, and its ledger adds up", async ({ world }) => {
  await world.goto("/collections");
  await world.getByRole("link", { name: "Create collection" }).click();
  await world.getByLabel("Name").fill("Gates");
  await world.getByRole("button", { name: "Create collection" }).click();
  await expect(world.getByText("No documents yet.")).toBeVisible();

  const transfer = await world.evaluateHandle(() => {
    const data = new DataTransfer();
    data.items.add(new File(["The north gate closes at nine."], "north.txt", { type: "text/plain" }));
    data.items.add(new File(["The south gate never closes."], "south.txt", { type: "text/plain" }));
    data.items.add(new File(["MZ"], "setup.exe"));
    return data;
  });
  const heading = world.getByRole("heading", { level: 1, name: "Gates" });
  await heading.dispatchEvent("dragenter", { dataTransfer: transfer });
  await expect(world.getByText("Drop to add to Gates")).toBeVisible();
  await heading.dispatchEvent("drop", { dataTransfer: transfer });

  const uploads = world.getByRole("region", { name: "Uploads" });
  await expect(uploads.getByRole("listitem").filter({ hasText: "setup.exe" })).toContainText(
    "is a program, not a document",
  );
  await expect(uploads.getByRole("listitem").filter({ hasText: "south.txt" })).toContainText("Indexed", {
    timeout: 15_000,
  });
  await expect(world.getByRole("link", { name: "2 listed" })).toBeVisible();
  await expect(world.getByRole("link", { name: "2 indexed" })).toBeVisible();

  await world.keyboard.press("/");
  await world.keyboard.type("when does the north gate close");
  await world.keyboard.press("Enter");
  await expect(world.getByText("The north gate closes at nine.")).toBeVisible();
});

test("the choice of passages is previewed while it is made", async ({ world }) => {
  await world.goto("/collections/new");
  await world.getByText("Model and passages").click();
  await expect(world.getByText("Heating › Service")).toBeVisible();
  await world.getByLabel("Overlap").fill("900");
  await expect(world.getByText(/leaves nothing of a passage/)).toBeVisible();
});

test("ten thousand documents are listed by pages", async ({ world }) => {
  await world.goto("/collections");
  await world.getByRole("link", { name: "Archive 1998–2019" }).click();
  await expect(world.getByText("10,000 found")).toBeVisible();
  await world.getByRole("button", { name: "Show 50 more" }).click();
  await expect(world.getByText("100 shown of 10,000")).toBeVisible();
  await world.getByRole("link", { name: /failed/ }).click();
  await expect(world.getByText("64 found")).toBeVisible();
});

test("deleting asks for the name", async ({ world }) => {
  await world.goto("/collections");
  const { house } = await ids(world);
  await world.goto(`/collections/${house}/settings`);
  await world.getByLabel("Type “House and building” to confirm").fill("House and building");
  await world.getByRole("button", { name: "Delete collection" }).click();
  await expect(world.getByText("“House and building” is being deleted.")).toBeVisible();
  await expect(world.getByRole("link", { name: "House and building" })).toHaveCount(0);
});
