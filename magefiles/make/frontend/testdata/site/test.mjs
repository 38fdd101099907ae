console.log("one test passed");
