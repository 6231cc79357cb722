using System.Text;
using KernelGateway.Jupyter;
using KernelGateway.Jupyter.Messaging;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Core.Kernels;

/// <summary>
/// Asks a Python kernel that our launcher did not start about its variables: by an expression beside an empty, silent run, so
/// that history, counter and names of the user stay as they are. What answers is the launcher's own code.
/// </summary>
internal static class PythonVariables
{
    private const string Name = "kg";

    // Text of an expression's value: quotes around base64, which holds nothing that would be escaped.
    private const string Answer =
        """

        def kg_reply(shell, text):
            import base64
            try:
                reply = dict(answer(shell, json.loads(text)), status="ok")
                reply = json.dumps(reply, allow_nan=False)
            except Exception as error:
                reply = json.dumps({"status": "error", "ename": type(error).__name__, "evalue": str(error)[:1000]})
            return base64.b64encode(reply.encode("utf-8", "backslashreplace")).decode("ascii")
        """;

    private static readonly Lazy<string> Source = new(() =>
    {
        using var stream = typeof(PythonVariables).Assembly.GetManifestResourceStream("kernel_variables.py")!;
        using var reader = new StreamReader(stream);
        return Base64(reader.ReadToEnd() + Answer);
    });

    /// <summary>Puts a question of the form that the launcher answers; the reply has that form too.</summary>
    /// <exception cref="KernelException">The kernel is gone, or its answer is none.</exception>
    public static async Task<JupyterMessage> AskAsync(KernelClient client, JObject question, CancellationToken cancellationToken)
    {
        var expression =
            $"(lambda b, kg: (exec(b('{Source.Value}').decode(), kg), kg['kg_reply'](get_ipython(), b('{Base64(question.ToString(Formatting.None))}').decode()))[1])(__import__('base64').b64decode, {{'__name__': 'kg_variables'}})";
        var request = new ExecuteRequest("", Silent: true, StoreHistory: false, StopOnError: false) { UserExpressions = new Dictionary<string, string> { [Name] = expression } };
        var reply = await client.RequestAsync(KernelChannel.Shell, client.CreateRequest(MessageTypes.ExecuteRequest, request.ToJson()), cancellationToken);
        return JupyterMessage.Create("kg_variables_reply", Read(reply.Content), "", "", reply);
    }

    private static JObject Read(JObject content)
    {
        var value = content["user_expressions"]?[Name] as JObject;
        if (value?["data"]?["text/plain"] is JValue { Value: string text } && text.Length > 2)
        {
            try
            {
                // Depth is capped by the reader; size by that of the message.
                return LenientJson.ReadObject(Convert.FromBase64String(text[1..^1]));
            }
            catch (Exception e) when (e is FormatException or JsonException)
            {
                throw new KernelException("The kernel's answer about its variables cannot be read.", e);
            }
        }

        return value ?? throw new KernelException("The kernel did not answer about its variables.");
    }

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
}
